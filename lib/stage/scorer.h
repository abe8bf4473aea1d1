/*
 * The scorers of captions, each with its tokenizer and what its images want: ITM, a record's image and a text to a logit; CLIP or
 * its like (models/scorer.h), images and texts to unit rows. One of each, for the reward and for the evaluation.
 *
 * Models compute on the caller's tape, which must not hold anything that is still wanted: the *_run functions leave it empty.
 */
#ifndef STAGE_SCORER_H
#define STAGE_SCORER_H

#include "base/hash.h"
#include "models/matcher.h"
#include "models/scorer.h"
#include "stage/frame.h"
#include "text/tokenizer.h"

/* Whether n numbers that a model (`who`: "ITM") made are finite; else err says that it is its weights that are not. */
MUST_USE bool scorer_finite(const real *made, size_t n, const char *who, Error *err);

/* ---- ITM ---- */

/* `= {0}`: none, model NULL. */
typedef struct ItmScorer {
    const char *folder;   /* borrowed */
    Matcher *model;       /* owned */
    Tokenizer *tokenizer; /* owned */
    Preprocess images;
    size_t max_tokens;            /* of a text */
    Digest encoder;               /* digest of its vision blocks: whose features it can take */
    uint64_t n_encoded, n_shared; /* images that ran through its encoder; those whose features came along */
    bool said_other_encoder;
} ItmScorer;

/* Opens the model folder and its tokenizer. False with err set; STATUS_MISMATCH where the tokenizer is not BERT's WordPiece. */
MUST_USE bool itm_scorer_open(ItmScorer *s, const char *folder, size_t max_tokens, bool crop, const Kernels *kernels, Error *err);
void itm_scorer_release(ItmScorer *s); /* one that is none, or half open, is fine */

/* Names model and tokenizer among a header's inputs: itm, itm-tokenizer. Nothing without a model. */
void itm_scorer_inputs(const ItmScorer *s, json_t *inputs);

/* Numbers in the features of one image: rows * hidden. */
size_t itm_scorer_values(const ItmScorer *s);

/*
 * Features of a record's image before the final norm, into out [itm_scorer_values]: those of the record where they are of this
 * encoder, else computed from its image (a record with another encoder's is warned of, once). False with err set: no image.
 */
MUST_USE bool itm_scorer_features(ItmScorer *s, Tape *t, real *out, const Record *r, Error *err);

/* The text's ids, in the arena, as a text about image `image`; "[SEP]" in it is characters. False with err set for one that is
 * not UTF-8. */
MUST_USE bool itm_scorer_text(const ItmScorer *s, MatcherText *out, size_t image, Slice text, Arena *arena, Error *err);

/* Logits of a match, out [n], of n > 0 texts about images with these features [n_images, itm_scorer_values]. Empties the tape. */
void itm_scorer_run(const ItmScorer *s, Tape *t, real *out, const real *features, size_t n_images, const MatcherText *texts,
                    size_t n);

/* ---- CLIP and its like ---- */

/* `= {0}`: none, model NULL. */
typedef struct ClipScorer {
    Scorer *model;        /* owned */
    Tokenizer *tokenizer; /* owned */
    Preprocess images;
    size_t max_tokens; /* of a text: the model's positions */
} ClipScorer;

/* Opens the model folder and its tokenizer. False with err set; STATUS_MISMATCH where the tokenizer is not of the model's kind.
 */
MUST_USE bool clip_scorer_open(ClipScorer *s, const char *folder, const Kernels *kernels, Error *err);
void clip_scorer_release(ClipScorer *s); /* one that is none, or half open, is fine */

/* Names model and tokenizer among a header's inputs: clip, clip-tokenizer. Nothing without a model. */
void clip_scorer_inputs(const ClipScorer *s, json_t *inputs);

/* Numbers in a row; 0 without a model. */
size_t clip_scorer_cols(const ClipScorer *s);

/* Pixels [n, 3, S, S], as `images` makes them, to unit rows [n, cols]; n > 0. Empties the tape. */
void clip_scorer_images(const ClipScorer *s, Tape *t, real *rows, const float *pixels, size_t n);

/*
 * The text's ids, in the arena, with padding where the model looks at it; "<|endoftext|>" in it is characters. False with err set
 * for one that is not UTF-8.
 */
MUST_USE bool clip_scorer_text(const ClipScorer *s, ScorerText *out, Slice text, Arena *arena, Error *err);

/* Texts to unit rows [n, cols]; n > 0. Empties the tape. */
void clip_scorer_texts(const ClipScorer *s, Tape *t, real *rows, const ScorerText *texts, size_t n);

#endif
