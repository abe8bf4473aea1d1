/*
 * The models that look at captions: the evaluating CLIP, and the ITM scorer if it is asked for. A handful of records goes through
 * them together.
 */
#ifndef EVAL_MODELS_H
#define EVAL_MODELS_H

#include "eval/images.h"
#include "stage/scorer.h"

enum { IC3_CHARACTERS = 300 }; /* where IC3 cuts a caption before CLIP reads it */

typedef struct Models {
    const Kernels *kernels;
    Tape *tape; /* owned */
    ClipScorer clip;
    ItmScorer itm;        /* none if not asked for */
    Arena arena;          /* of one call */
    uint64_t features_of; /* the image whose features are in `features`; 0: none */
    real *features;       /* owned: [rows, hidden] of ITM's encoder */
} Models;

/* itm NULL: no ITM. */
MUST_USE bool models_open(Models *m, const char *clip, const char *itm, size_t itm_max_tokens, const Kernels *kernels,
                          Error *err);
void models_release(Models *m);

/* Names them, and their tokenizers, among a report's inputs: clip, clip-tokenizer, itm, itm-tokenizer. */
void models_inputs(const Models *m, json_t *inputs);

/* Pixels [3, S, S] of clip_images to a unit row [projection]. */
void models_clip_image(Models *m, real *row, const float *pixels);

/* Texts, cut as IC3 cuts them, to unit rows [n, projection]. False, naming its number, for one that is not UTF-8. */
MUST_USE bool models_clip_texts(Models *m, real *rows, const Slice *texts, size_t n, Error *err);

/* ITM's positive logit of a text about a record's image (key: image_key). */
MUST_USE bool models_itm(Models *m, double *logit, const Record *r, uint64_t key, Slice text, Error *err);

#endif
