/*
 * From a row of logits to the next token: processors, greedy choice, top-k sampling. Pure functions of their arguments.
 *
 * Semantics are those of Hugging Face generate(): processors first (no_repeat_ngram_size, min_new_tokens), then temperature, then
 * top-k (ties with the k-th are kept), then a draw. The draw is a function of (seed, step, record key, position) alone
 * (base/random.h), so a caption does not depend on what else is in the batch.
 */
#ifndef DECODE_SAMPLER_H
#define DECODE_SAMPLER_H

#include "models/config.h"
#include "tensor/tensor.h"

typedef struct GenerateOptions {
    EosIds eos;
    int64_t num_beams;            /* 1: greedy or sampling */
    int64_t no_repeat_ngram_size; /* 0: off */
    int64_t min_new_tokens, max_new_tokens;
    double length_penalty; /* of finished beams: sum of log p / length^penalty; 1 as in the paper */
    bool sample;
    int64_t top_k; /* 0: all */
    double temperature;
    int64_t seed;
    bool greedy_last; /* with sample: the last of an image's captions is the greedy one */
} GenerateOptions;

/* What has been generated so far; history begins with the prompt's ids, which the n-gram rule sees too. */
typedef struct History {
    const int32_t *ids;
    size_t n, n_prompt;
} History;

/*
 * The tokens that must not follow, each once, in no order. Room for history.n + MOST_EOS of them; returns how many there are.
 */
size_t banned_tokens(int32_t *ids, const GenerateOptions *options, History history);

/*
 * What may follow: tokens of one row of logits in order of id. All of the vocabulary, or the likeliest: then no other token has a
 * logit above `rest`, and an answer that needs only logits above it is that of the whole row.
 */
typedef struct Choices {
    const real *logits; /* [n]; those of banned tokens are -INFINITY */
    const int32_t *ids; /* [n]; NULL: 0 .. n-1 */
    size_t n;
    double lse; /* log of the sum of exponentials of the whole row as the model gave it; log p of a token is its logit - lse */
    real rest;
} Choices;

static inline int32_t choices_id(const Choices *c, size_t i)
{
    return c->ids ? c->ids[i] : (int32_t)i;
}

/* The k-th largest logit, k >= 1; -INFINITY where there are not so many. */
real choices_kth(const Choices *c, size_t k);

/* Whether the list settles what depends on the k largest alone, and on whatever equals the k-th. */
bool choices_suffice(const Choices *c, size_t k);

/* Which is the first of the largest. */
size_t choices_first(const Choices *c);

/* Which is drawn from softmax(logits / temperature) over the top k. step, key, position: see base/random.h. */
size_t choices_draw(const Choices *c, const GenerateOptions *options, uint32_t step, uint64_t key, uint32_t position);

#endif
