/*
 * From a row of logits to the next token: processors, greedy choice, top-k sampling. Pure functions of their arguments.
 *
 * Semantics are those of Hugging Face generate(): processors first (no_repeat_ngram_size, min_new_tokens), then temperature, then
 * top-k (ties with the k-th are kept), then a draw. The draw is a function of (seed, step, record key, position) alone
 * (base/random.h), so a caption does not depend on what else is in the batch.
 */
#ifndef MODELS_SAMPLER_H
#define MODELS_SAMPLER_H

#include "tensor/tensor.h"

typedef struct GenerateOptions {
    int32_t eos;
    int64_t num_beams;            /* 1: greedy or sampling */
    int64_t no_repeat_ngram_size; /* 0: off */
    int64_t min_new_tokens, max_new_tokens;
    double length_penalty; /* of finished beams: sum of log p / length^penalty; 1 as in the paper */
    bool sample;
    int64_t top_k; /* 0: all */
    double temperature;
    uint64_t seed;
} GenerateOptions;

/* What has been generated so far; history begins with the prompt's ids, which the n-gram rule sees too. */
typedef struct History {
    const int32_t *ids;
    size_t n, n_prompt;
} History;

/* Sets the logits of tokens that must not follow to -infinity. */
void logits_process(real *logits, size_t vocabulary, const GenerateOptions *options, History history);

/* The first of the largest. */
int32_t logits_argmax(const real *logits, size_t vocabulary);

/* log of the sum of exponentials, in double; log p of token t is logits[t] - lse. */
double logits_lse(const real *logits, size_t vocabulary);

/* One draw from softmax(logits / temperature) over the top k. step, key, position: see base/random.h. */
int32_t logits_sample(const real *logits, size_t vocabulary, const GenerateOptions *options, uint32_t step, uint64_t key,
                      uint32_t position);

#endif
