/* Processors, greedy choice and top-k sampling; see sampler.h. */
#include "models/sampler.h"

#include <math.h>
#include <stdlib.h>
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

/* The k-th largest value: a min-heap of the k largest seen. */
static real kth_largest(const real *logits, size_t vocabulary, size_t k)
{
    real *heap = xmalloc(k * sizeof *heap);
    size_t n = 0;
    for (size_t i = 0; i < vocabulary; i++) {
        real v = logits[i];
        size_t at;
        if (n < k) {
            for (at = n++; at > 0 && heap[(at - 1) / 2] > v; at = (at - 1) / 2)
                heap[at] = heap[(at - 1) / 2];
        } else if (v > heap[0]) {
            at = 0;
            for (size_t child; (child = 2 * at + 1) < n; at = child) {
                child += child + 1 < n && heap[child + 1] < heap[child];
                if (heap[child] >= v)
                    break;
                heap[at] = heap[child];
            }
        } else {
            continue;
        }
        heap[at] = v;
    }
    real kth = heap[0];
    free(heap);
    return kth;
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
