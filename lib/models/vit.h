/*
 * Vision transformers: EVA (in BLIP-2 and its scorer: fused qkv, patch bias, norm after the blocks), CLIP (separate q, k, v, no
 * patch bias, a norm before the blocks) and SigLIP (patch bias, no class row, norm after the blocks; also SmolVLM's). models.md
 * sections 3.4, 5.4 and 5.7.
 */
#ifndef MODELS_VIT_H
#define MODELS_VIT_H

#include "models/bind.h"
#include "models/block.h"
#include "models/config.h"

typedef enum VitFlavour { VIT_EVA, VIT_CLIP, VIT_SIGLIP } VitFlavour;

typedef struct Vit {
    VisionConfig config;
    VitFlavour flavour;
    size_t patches;   /* (image / patch)^2, the quotient rounded down: pixels beyond are not seen */
    Linear patch;     /* [hidden, 3 * patch * patch] */
    Tensor class_row; /* [1, hidden], real; not SigLIP */
    Tensor positions; /* [vit_rows, hidden] */
    Norm before;      /* CLIP only */
    Block *blocks;    /* owned */
    Norm after;       /* EVA, SigLIP: over all rows; CLIP: over the class row */
} Vit;

/* Binds `prefix`.* ("vision_model"). Faults stick in the binder. */
void vit_bind(Vit *v, Binder *b, const VisionConfig *config, VitFlavour flavour, const char *prefix);
void vit_release(Vit *v);

/* Rows of one image: patches + 1, the class row first; SigLIP: patches. */
size_t vit_rows(const Vit *v);

/*
 * pixels: host, [n, 3, image, image], normalised. Returns [n * vit_rows, hidden] after the blocks and before the final norm: what
 * the `features` group carries. Records if the tape does and anything in it is trained.
 */
Tensor *vit_blocks(Tape *t, const Vit *v, const float *pixels, size_t n);

/* The final norm, row by row: [rows, hidden]. */
Tensor *vit_norm(Tape *t, const Vit *v, const Tensor *x);

/* Digest of patch embedding, class row, positions and blocks below `prefix`, without the final norm: equal for models that can
 * share features. */
uint64_t vit_digest(const Checkpoint *c, const char *prefix);

#endif
