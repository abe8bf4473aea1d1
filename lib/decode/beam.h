/*
 * Beam search for one image, exactly as Hugging Face's generate() does it since 4.50 (early_stopping false): a state machine over
 * rows of logits that knows nothing of models or caches.
 *
 *   beam_init(&b, &options, prompt, n_prompt, vocabulary);
 *   do { choices of beam_live(&b) rows, in order } while (beam_step(&b, choices));    then b.parents says how to reorder the
 * cache beam_best(&b, 0)
 */
#ifndef DECODE_BEAM_H
#define DECODE_BEAM_H

#include "decode/sampler.h"

enum { MAX_BEAMS = 32 };

/* One hypothesis; ids begin with the prompt's. */
typedef struct Beam {
    int32_t *ids; /* [n_prompt + max_new_tokens], owned by the search */
    double *logp; /* [max_new_tokens]: log p of each new token under the model, unprocessed */
    size_t n;     /* ids in all */
    float score;  /* sum of processed log p while live; divided by length^penalty once finished */
    bool finished;
} Beam;

typedef struct BeamSearch {
    GenerateOptions options;
    size_t n_prompt, vocabulary, width;
    Beam *live, *next, *done; /* [width] each, owned */
    size_t *parents;          /* [width]: after beam_step, the live beam that each new live beam continues */
    const int32_t *prompt;    /* borrowed */
    Arena arena;              /* everything the search owns */
} BeamSearch;

/* How many candidates a step keeps (beams_to_keep of generate()): enough to go on with num_beams when all the others end. */
size_t beam_keeps(const GenerateOptions *options);

/* A search for one caption: no beam has a token yet. options and prompt (what the n-gram rule takes to stand before) are
 * borrowed. */
void beam_init(BeamSearch *b, const GenerateOptions *options, const int32_t *prompt, size_t n_prompt, size_t vocabulary);
void beam_release(BeamSearch *b);

/* Begins again with the same prompt and options; allocates nothing. */
void beam_reset(BeamSearch *b);

/* How many rows of logits the next beam_step wants: 1 at first (all beams are the same), then the width. */
size_t beam_live(const BeamSearch *b);

/* What a live beam has said so far, for banned_tokens. */
History beam_history(const BeamSearch *b, size_t beam);

/* Whether a list of the likeliest tokens settles how a live beam can go on: in scores, which are float, equal if logits are near.
 */
bool beam_settled(const BeamSearch *b, size_t beam, const Choices *choices);

/* One token further: choices [beam_live], each settled or whole. False when the search is over. */
bool beam_step(BeamSearch *b, const Choices *choices);

/* The rank-th best finished hypothesis. */
const Beam *beam_best(const BeamSearch *b, size_t rank);

/* The last token of a live beam: what the model must be fed next. */
int32_t beam_last(const BeamSearch *b, size_t beam);

#endif
