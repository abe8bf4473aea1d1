/* Processors, greedy choice and top-k sampling; see sampler.h. */
#include "decode/sampler.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

static size_t id_add(int32_t *ids, size_t n, int32_t id)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] == id)
            return n;
    ids[n] = id;
    return n + 1;
}

size_t banned_tokens(int32_t *ids, const GenerateOptions *options, History h)
{
    size_t n = (size_t)options->no_repeat_ngram_size, banned = 0;
    for (size_t i = 0; n > 0 && i + n <= h.n; i++) /* whatever would complete an n-gram that is there already */
        if (memcmp(h.ids + i, h.ids + h.n + 1 - n, (n - 1) * sizeof *h.ids) == 0)
            banned = id_add(ids, banned, h.ids[i + n - 1]);
    if (h.n - h.n_prompt < (size_t)options->min_new_tokens)
        for (size_t i = 0; i < options->eos.n; i++)
            banned = id_add(ids, banned, options->eos.ids[i]);
    return banned;
}

/* Each pass finds the largest below the last one, counting ties. k is small: 6 in the paper. */
real choices_kth(const Choices *c, size_t k)
{
    real below = INFINITY;
    for (size_t found = 0; found < k;) {
        real best = -INFINITY;
        size_t ties = 0;
        for (size_t i = 0; i < c->n; i++)
            if (c->logits[i] < below && c->logits[i] >= best) {
                ties = c->logits[i] > best ? 1 : ties + 1;
                best = c->logits[i];
            }
        if (best == -INFINITY)
            return best;
        found += ties;
        below = best;
    }
    return below;
}

bool choices_suffice(const Choices *c, size_t k)
{
    return k < c->n && choices_kth(c, k) > c->rest;
}

size_t choices_first(const Choices *c)
{
    size_t best = 0;
    for (size_t i = 1; i < c->n; i++)
        if (c->logits[i] > c->logits[best])
            best = i;
    return best;
}

size_t choices_draw(const Choices *c, const GenerateOptions *options, uint32_t step, uint64_t key, uint32_t position)
{
    size_t k = options->top_k > 0 && (size_t)options->top_k < c->n ? (size_t)options->top_k : c->n;
    real least = k < c->n ? choices_kth(c, k) : -INFINITY;
    double top = c->logits[choices_first(c)], sum = 0;
    for (size_t i = 0; i < c->n; i++)
        if (c->logits[i] >= least)
            sum += exp(((double)c->logits[i] - top) / options->temperature);
    double left = random_uniform((uint64_t)options->seed, step, key, position) * sum;
    size_t chosen = 0;
    for (size_t i = 0; i < c->n; i++) {
        if (c->logits[i] < least || c->logits[i] == -INFINITY)
            continue;
        chosen = i;
        left -= exp(((double)c->logits[i] - top) / options->temperature);
        if (left < 0)
            break;
    }
    return chosen;
}
