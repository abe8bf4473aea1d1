/*
 * Image-text scorers by family: images and texts to unit rows, whose cosine says how well they fit. Programs open one by its
 * folder and never ask which it is; a family is a folder of families/ and a line in scorer.c.
 */
#ifndef MODELS_SCORER_H
#define MODELS_SCORER_H

#include "models/image_input.h"
#include "models/text_tower.h"

typedef struct ScorerTraits {
    ImageInput images;
    size_t cols;                                           /* of a unit row */
    size_t vocabulary;                                     /* rows of the table of words */
    size_t positions;                                      /* the most ids of a text, those around it included */
    enum { SCORER_WORDS_CLIP, SCORER_WORDS_SIGLIP } words; /* whose tokenizers its texts have */
    bool padded; /* a text is filled with padding up to `positions`, which is looked at */
} ScorerTraits;

/* What every family's model begins with. */
typedef struct Scorer {
    const struct ScorerFamily *family;
    ScorerTraits traits;
    Checkpoint *checkpoint; /* owned; NULL: a layout without values (bind.h) */
    Binder binder;
} Scorer;

typedef struct ScorerFamily {
    const char *said;       /* "a CLIP" */
    const char *model_type; /* of config.json */
    /* layout: of the configuration alone, without values (bind.h). NULL with err set. */
    Scorer *(*open)(const char *folder, bool layout, const Kernels *kernels, Error *err);
    void (*release)(Scorer *s); /* what it has beyond a Scorer */
    Tensor *(*images)(Tape *t, const Scorer *s, const float *pixels, size_t n);
    Tensor *(*texts)(Tape *t, const Scorer *s, const ScorerText *texts, size_t n);
} ScorerFamily;

/* Whether a family has this model_type (NULL: none) in its config.json. */
bool scorer_knows(const char *model_type);

/* The model of a folder, whichever family it is of. NULL with err set; STATUS_MISMATCH where config.json names none of them. */
Scorer *scorer_open(const char *folder, const Kernels *kernels, Error *err);
/* The same of a folder's configuration alone, without values: a layout. */
Scorer *scorer_layout(const char *folder, const Kernels *kernels, Error *err);
void scorer_free(Scorer *s); /* NULL is fine */

/* pixels: host, [n, 3, side, side], as traits.images says. Unit rows [n, cols]. */
Tensor *scorer_images(Tape *t, const Scorer *s, const float *pixels, size_t n);

/* Unit rows [n, cols]. */
Tensor *scorer_texts(Tape *t, const Scorer *s, const ScorerText *texts, size_t n);

/* The families: families/NAME/. */
extern const ScorerFamily clip_family, siglip_family;

#endif
