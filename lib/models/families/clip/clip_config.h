/* CLIP's configuration, in Hugging Face's layout or open_clip's. */
#ifndef MODELS_FAMILIES_CLIP_CLIP_CONFIG_H
#define MODELS_FAMILIES_CLIP_CLIP_CONFIG_H

#include "models/config.h"

typedef struct ClipConfig {
    VisionConfig vision;
    TextTowerConfig text;
    size_t projection;
    double mean[3], std[3]; /* of pixels; std 0: the folder does not say */
} ClipConfig;

/*
 * FOLDER/config.json and, for mean and std, preprocessor_config.json; or open_clip's own layout, where open_clip_config.json says
 * both. A field of open_clip's that makes another network (a timm or Hugging Face tower, pooling by attention, ...) is refused by
 * name. False with err set.
 */
MUST_USE bool clip_config_read(ClipConfig *out, const char *folder, Error *err);
MUST_USE bool open_clip_config_read(ClipConfig *out, const char *folder, Error *err);

#endif
