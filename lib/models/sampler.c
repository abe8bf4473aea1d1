/* Processors, greedy choice and top-k sampling; see sampler.h. */
#include "models/sampler.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

/* Bans every token that would complete an n-gram already in the history. */
static void ban_repeats(real *logits, size_t vocabulary, size_t n, History h)
{
    if (n == 0 || h.n + 1 < n)
        return;
    const int32_t *last = h.ids + h.n + 1 - n;
    for (size_t i = 0; i + n <= h.n; i++) {
        int32_t next = h.ids[i + n - 1];
        if (memcmp(h.ids + i, last, (n - 1) * sizeof *last) == 0 && next >= 0 && (size_t)next < vocabulary)
            logits[next] = -INFINITY;
    }
}

void logits_process(real *logits, size_t vocabulary, const GenerateOptions *options, History history)
{
    ban_repeats(logits, vocabulary, (size_t)options->no_repeat_ngram_size, history);
    if (history.n - history.n_prompt < (size_t)options->min_new_tokens)
        logits[options->eos] = -INFINITY;
}

int32_t logits_argmax(const real *logits, size_t vocabulary)
{
    size_t best = 0;
    for (size_t i = 1; i < vocabulary; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

double logits_lse(const real *logits, size_t vocabulary)
{
    double top = logits[logits_argmax(logits, vocabulary)], sum = 0;
    for (size_t i = 0; i < vocabulary; i++)
        sum += exp((double)logits[i] - top);
    return top + log(sum);
}

/* The k-th largest value, k >= 1: each pass finds the largest below the last one, counting ties. k is small: 6 in the paper. */
static real kth_largest(const real *logits, size_t vocabulary, size_t k)
{
    real below = INFINITY;
    for (size_t found = 0; found < k;) {
        real best = -INFINITY;
        size_t ties = 0;
        for (size_t i = 0; i < vocabulary; i++)
            if (logits[i] < below && logits[i] >= best) {
                ties = logits[i] > best ? 1 : ties + 1;
                best = logits[i];
            }
        if (best == -INFINITY)
            return best;
        found += ties;
        below = best;
    }
    return below;
}

int32_t logits_sample(const real *logits, size_t vocabulary, const GenerateOptions *options, uint32_t step, uint64_t key,
                      uint32_t position)
{
    size_t k = options->top_k > 0 && (size_t)options->top_k < vocabulary ? (size_t)options->top_k : vocabulary;
    real least = k < vocabulary ? kth_largest(logits, vocabulary, k) : -INFINITY;
    double top = logits[logits_argmax(logits, vocabulary)], sum = 0;
    for (size_t i = 0; i < vocabulary; i++)
        if (logits[i] >= least)
            sum += exp(((double)logits[i] - top) / options->temperature);
    double left = random_uniform(options->seed, step, key, position) * sum;
    size_t chosen = 0;
    for (size_t i = 0; i < vocabulary; i++) {
        if (logits[i] < least || logits[i] == -INFINITY)
            continue;
        chosen = i;
        left -= exp(((double)logits[i] - top) / options->temperature);
        if (left < 0)
            break;
    }
    return (int32_t)chosen;
}
