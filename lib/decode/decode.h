/*
 * Captions from image prefixes: batched decoding with a cache of keys and values, greedy, sampled or by beams.
 *
 * Every image's prompt [prefix, BOS] is computed once and shared by its continuations; a continuation that has ended leaves the
 * batch. All memory is taken by decoder_new and up to the first step of all lanes together: afterwards the loop allocates
 * nothing, and a growing stack or a stray xmalloc is a bug that aborts (memory_forbid).
 */
#ifndef DECODE_DECODE_H
#define DECODE_DECODE_H

#include "decode/beam.h"
#include "models/lm.h"

typedef struct Decoder Decoder;

/* One caption; borrowed from the decoder until its next run. */
typedef struct Generated {
    const int32_t *ids; /* after BOS, eos included */
    const double *logp; /* of each id under the model: no temperature, no processors */
    size_t n;
    bool eos; /* the last id is eos */
} Generated;

/*
 * A decoder for up to max_images prompts of n_prefix rows and, for each, n_return captions. history: the ids that the n-gram rule
 * takes to stand before the caption (the <image> ids and BOS in checkpoints that have them), borrowed.
 */
Decoder *decoder_new(const Kernels *kernels, const Lm *lm, const GenerateOptions *options, size_t n_prefix, size_t max_images,
                     size_t n_return, const int32_t *history, size_t n_history);
void decoder_free(Decoder *d);

/* Bytes of cache that decoder_new will take. */
size_t decoder_bytes(const Lm *lm, const GenerateOptions *options, size_t n_prefix, size_t max_images, size_t n_return);

/*
 * Captions for `images` prompts: prefixes [images * n_prefix, hidden] on the tape. keys [images * n_return] and step name each
 * caption's random numbers (base/random.h). The tape must not record; its stack is as before on return.
 */
void decoder_run(Decoder *d, Tape *t, const Tensor *prefixes, size_t images, const uint64_t *keys, uint32_t step);

/* Caption k (of n_return; with beams the k-th best) of an image of the last run. */
Generated decoder_result(const Decoder *d, size_t image, size_t k);

/* Tokens generated in all runs, for progress. */
uint64_t decoder_tokens(const Decoder *d);

#endif
