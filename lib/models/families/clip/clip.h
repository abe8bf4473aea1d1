/*
 * CLIP (Radford et al. 2021): images and texts to unit vectors; in Hugging Face's CLIPModel layout, or in open_clip's
 * (open_clip.h).
 */
#ifndef MODELS_FAMILIES_CLIP_CLIP_H
#define MODELS_FAMILIES_CLIP_CLIP_H

#include "models/families/clip/clip_config.h"
#include "models/scorer.h"
#include "models/vit.h"

typedef struct Clip {
    Scorer base;
    ClipConfig config;
    Vit vit;
    TextTower text;
    Linear visual_projection, text_projection; /* no bias */
    Tensor logit_scale;                        /* [1, 1], real: log of the factor; scores here are bare cosines */
} Clip;

/*
 * A folder of either layout; which one, the names of its tensors say. A text may have as many tokens as the table of positions
 * has rows, whatever the configuration says (Long-CLIP: 248). It is read at the EOT row: the largest id where the configuration
 * says eos_token_id 2 (older files), else the first eos_token_id (row 0 if there is none, as in the reference). NULL with err
 * set; freed by scorer_free.
 */
Clip *clip_open(const char *folder, const Kernels *kernels, Error *err);

#endif
