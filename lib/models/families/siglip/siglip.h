/*
 * SigLIP (Zhai et al. 2023, https://arxiv.org/abs/2303.15343) and SigLIP 2 with square images (Tschannen et al. 2025,
 * https://arxiv.org/abs/2502.14786): a tower without class row whose rows a learnt query pools, and texts that are read at their
 * last position. models.md section 5.7.
 */
#ifndef MODELS_FAMILIES_SIGLIP_SIGLIP_H
#define MODELS_FAMILIES_SIGLIP_SIGLIP_H

#include "models/scorer.h"
#include "models/vit.h"

typedef struct SiglipConfig {
    VisionConfig vision;
    TextTowerConfig text;
    size_t projection; /* columns of the text's head: as many as the vision tower has */
    ImageInput images; /* of preprocessor_config.json, side and all */
} SiglipConfig;

/* FOLDER/config.json and, for pixels, preprocessor_config.json. False with err set. */
MUST_USE bool siglip_config_read(SiglipConfig *out, const char *folder, Error *err);

/* Pools the rows of an image (Lee et al. 2019): one query, learnt, attends to all of them; then y + MLP(norm(y)). */
typedef struct PoolingHead {
    Tensor probe; /* [1, hidden], real */
    Linear q, k, v, out, fc1, fc2;
    Norm norm;
} PoolingHead;

typedef struct Siglip {
    Scorer base;
    SiglipConfig config;
    Vit vit;
    PoolingHead pooling;
    TextTower text;
    Linear head;                    /* of texts, with a bias */
    Tensor logit_scale, logit_bias; /* [1, 1], real: of the sigmoid; scores here are bare cosines */
} Siglip;

#endif
