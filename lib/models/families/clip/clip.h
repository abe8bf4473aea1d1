/*
 * CLIP (Radford et al. 2021): images and texts to unit vectors; in Hugging Face's CLIPModel layout, or in open_clip's
 * (open_clip.h).
 */
#ifndef MODELS_CLIP_H
#define MODELS_CLIP_H

#include "models/vit.h"

typedef struct Clip {
    ClipConfig config;
    Checkpoint *checkpoint; /* owned */
    Binder binder;
    Vit vit;
    Tensor tokens, positions; /* [vocabulary, hidden], [positions, hidden] */
    Block *blocks;            /* owned: the text tower */
    Norm norm;
    Linear visual_projection, text_projection; /* no bias */
    Tensor logit_scale;                        /* [1, 1], real: log of the factor; scores here are bare cosines */
} Clip;

/*
 * A folder of either layout; which one, the names of its tensors say. A text may have as many tokens as the table of positions
 * has rows, whatever the configuration says (Long-CLIP: 248). NULL with err set.
 */
Clip *clip_open(const char *folder, const Kernels *kernels, Error *err);
/* A model of this shape without values (bind.h): its layout, or a model to be trained from nothing. */
Clip *clip_new(const ClipConfig *config, const Kernels *kernels);
void clip_free(Clip *c);

/* pixels: host, [n, 3, image, image], normalised. Unit rows [n, projection]. */
Tensor *clip_images(Tape *t, const Clip *c, const float *pixels, size_t n);

typedef struct ClipText {
    const int32_t *ids; /* with BOS and EOT; padding after EOT is harmless */
    size_t n;           /* 1 .. positions */
} ClipText;

/*
 * Unit rows [n, projection], read at the EOT row: the largest id where the configuration says eos_token_id 2 (older files), else
 * the first eos_token_id (row 0 if there is none, as in the reference).
 */
Tensor *clip_texts(Tape *t, const Clip *c, const ClipText *texts, size_t n);

#endif
