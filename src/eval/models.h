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

/* clip NULL, itm NULL: without it. */
MUST_USE bool models_open(Models *m, const char *clip, const char *itm, size_t itm_max_tokens, const Kernels *kernels,
                          Error *err);
void models_release(Models *m);

/* Whether any of them looks at images. */
bool models_look(const Models *m);

/* Names them, and their tokenizers, among a report's inputs: clip, clip-tokenizer, itm, itm-tokenizer. */
void models_inputs(const Models *m, json_t *inputs);

/* Pixels [3, S, S] of clip_images to a unit row [projection]. False for one that is not finite. */
MUST_USE bool models_clip_image(Models *m, real *row, const float *pixels, Error *err);

/* What of a text CLIP reads: its first 300 characters, as IC3; all of it; all of it behind "A photo depicts ", as CLIPScore. Of
 * each, what CLIP's positions hold. */
typedef enum TextUse { TEXT_IC3, TEXT_FULL, TEXT_PROMPTED } TextUse;

/* Texts to unit rows [n, projection]. False for one that is not UTF-8, and for a row that is not finite. */
MUST_USE bool models_clip_texts(Models *m, real *rows, const Slice *texts, size_t n, TextUse use, Error *err);

/* Whether something of a text is not read. */
bool models_clip_cuts(Models *m, Slice text, TextUse use);

/* ITM's positive logit of a text about a record's image (key: image_key). False for one that is not finite, too. */
MUST_USE bool models_itm(Models *m, double *logit, const Record *r, uint64_t key, Slice text, Error *err);

#endif
