/* config.json of BLIP-2: the captioner's, and that of its scorer, Blip2ForImageTextRetrieval. models.md sections 3 and 4. */
#ifndef MODELS_FAMILIES_BLIP2_BLIP2_CONFIG_H
#define MODELS_FAMILIES_BLIP2_BLIP2_CONFIG_H

#include "models/config.h"

typedef struct QformerConfig {
    size_t hidden, layers, heads, mlp, encoder_hidden, cross_frequency;
    double eps;
    size_t vocabulary, positions; /* of the text branch */
    bool text_input;
} QformerConfig;

typedef struct Blip2Config { /* Blip2ForConditionalGeneration, Blip2ForImageTextRetrieval */
    VisionConfig vision;
    QformerConfig qformer;
    LmConfig text; /* for the retrieval model: unused */
    size_t queries;
    size_t image_text_hidden;
    int32_t image_token; /* id of <image>; -1 in checkpoints from before it existed */
    EosIds eos;          /* ends a caption: generation_config.json, else the text configuration */
} Blip2Config;

/* FOLDER/config.json (and generation_config.json). */
MUST_USE bool blip2_config_read(Blip2Config *out, const char *folder, Error *err);
/* The same of InstructBLIP, which has a LLaMA. */
MUST_USE bool instructblip_config_read(Blip2Config *out, const char *folder, Error *err);

#endif
