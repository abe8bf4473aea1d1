/*
 * config.json of BLIP (Li et al. 2022, https://arxiv.org/abs/2201.12086): a vision transformer as EVA's, and BERT whose every
 * layer also attends to the image. models.md section 4.6.
 */
#ifndef MODELS_FAMILIES_BLIP_BLIP_CONFIG_H
#define MODELS_FAMILIES_BLIP_BLIP_CONFIG_H

#include "models/config.h"
#include "models/config_fields.h"

typedef struct BlipTextConfig {
    size_t hidden, layers, heads, mlp, vocabulary, positions;
    double eps;
    int32_t bos, sep; /* [DEC], which begins a caption; [SEP], which ends one */
} BlipTextConfig;

typedef struct BlipConfig {
    VisionConfig vision;
    BlipTextConfig text;
    size_t image_text_hidden; /* of the contrast heads */
} BlipConfig;

/* The fields of text_config. */
void blip_config_text(BlipTextConfig *out, ConfigFields *f);
/* Those of vision_config; images, which a text_config with other ones contradicts. f->ok says whether they are right. */
void blip_config_vision(VisionConfig *out, ConfigFields *f, ConfigFields *text);

/* FOLDER/config.json. False with err set. */
MUST_USE bool blip_config_read(BlipConfig *out, const char *folder, Error *err);

#endif
