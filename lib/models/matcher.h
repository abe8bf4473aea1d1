/*
 * Image-text matching models by family: an image's rows and a text to two logits, no match and match. Programs open one by its
 * folder and never ask which it is; a family is a folder of families/ and a line in matcher.c.
 */
#ifndef MODELS_MATCHER_H
#define MODELS_MATCHER_H

#include "models/vit.h"

/* One text about one image: ids with [CLS] and [SEP], 1 .. positions of them. */
typedef struct MatcherText {
    size_t image;
    const int32_t *ids;
    size_t n;
} MatcherText;

/* What every family's model begins with. */
typedef struct Matcher {
    const struct MatcherFamily *family;
    Checkpoint *checkpoint; /* owned; NULL: a layout without values (bind.h) */
    Binder binder;
    Vit vit;                      /* its blocks may be a captioner's too (vit_digest) */
    size_t vocabulary, positions; /* rows of the tables of its texts */
} Matcher;

typedef struct MatcherFamily {
    const char *said;         /* "a BLIP-2 image-text matching model" */
    const char *architecture; /* of config.json */
    size_t size;              /* of its struct, which begins with a Matcher */
    /* vocabulary and positions, and what bind needs, by the folder's config.json; all else of m is zero. False with err set. */
    bool (*read)(Matcher *m, const char *folder, Error *err);
    void (*bind)(Matcher *m);    /* its tensors, by m->binder, which may be of a layout (bind.h) */
    void (*release)(Matcher *m); /* what it has beyond a Matcher, also where it was never bound */
    /* rows: of n_images images after the encoder's final norm. */
    Tensor *(*logits)(Tape *t, const Matcher *m, const Tensor *rows, size_t n_images, const MatcherText *texts, size_t n);
} MatcherFamily;

/* Whether a family has this architecture (NULL: none) in its config.json. */
bool matcher_knows(const char *architecture);

/* The model of a folder, whichever family it is of. NULL with err set; STATUS_MISMATCH where config.json names none of them. */
Matcher *matcher_open(const char *folder, const Kernels *kernels, Error *err);
/* The same of a folder's configuration alone, without values: a layout. */
Matcher *matcher_layout(const char *folder, const Kernels *kernels, Error *err);
/* As matcher_open, of a folder that must be of this family. */
Matcher *matcher_open_as(const MatcherFamily *family, const char *folder, const Kernels *kernels, Error *err);
void matcher_free(Matcher *m); /* NULL is fine */

/*
 * Logits [n, 2] before softmax, index 1 = match, of texts that name their images. features: [n_images * vit_rows, hidden], the
 * encoder's before its final norm (vit_blocks).
 */
Tensor *matcher_logits(Tape *t, const Matcher *m, const Tensor *features, size_t n_images, const MatcherText *texts, size_t n);

/* The families: families/NAME/. */
extern const MatcherFamily blip2_itm_family, blip_itm_family;

#endif
