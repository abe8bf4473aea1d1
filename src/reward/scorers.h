/*
 * The models that score: ITM, the reference language model, CLIP. Each is loaded only if it is asked for.
 *
 * A scoring batch is a handful of captions that go through the models together; captions of the same image share its features and
 * its cross-attention keys and values.
 */
#ifndef REWARD_SCORERS_H
#define REWARD_SCORERS_H

#include "base/hash.h"
#include "models/language.h"
#include "reward/caption.h"
#include "stage/scorer.h"

typedef struct ScorerOptions {
    const char *itm, *ref, *clip; /* folders; NULL: not computed */
    size_t itm_max_tokens;
    bool crop;                 /* ITM's images, as the captioner's */
    const Tokenizer *captions; /* of the captions' ids, borrowed; NULL: they are the reference model's own */
} ScorerOptions;

typedef struct Scorers {
    ScorerOptions options;
    const Kernels *kernels;
    Tape *tape; /* owned */
    ItmScorer itm;
    ClipScorer clip;
    LanguageModel *ref;       /* owned; as the others none if not asked for */
    Tokenizer *ref_tokenizer; /* owned: where the reference model reads captions otherwise; else NULL */
    Digest ref_model;         /* then the digest of its tensors; else "" */
    double seconds_encode, seconds_itm, seconds_ref, seconds_clip;
} Scorers;

/* Opens the models that the options name. False with err set; scorers_release frees what was opened, also after a failure. */
MUST_USE bool scorers_init(Scorers *s, const ScorerOptions *options, const Kernels *kernels, Error *err);
void scorers_release(Scorers *s);

/* Names the models that score, and their tokenizers, among a header's inputs: itm, itm-tokenizer, ref, ref-tokenizer, clip, .. */
void scorers_inputs(const Scorers *s, json_t *inputs);

/* One caption to be scored; caption and record are borrowed. */
typedef struct ScoreItem {
    const Record *record;
    const Caption *caption;
    bool failed; /* it cannot be scored, or could not be before; err says why */
    Error err;
    double itm, ref;              /* NAN where not computed */
    real *clip_image, *clip_text; /* where to put the embeddings [projection]; NULL without CLIP */
} ScoreItem;

/* Scores n captions together. Items that fail are marked; the others go on. */
void scorers_run(Scorers *s, ScoreItem *items, size_t n);

#endif
