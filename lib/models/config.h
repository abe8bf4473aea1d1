/*
 * config.json of the models, with the defaults of Hugging Face's configuration classes for fields that a file leaves out. What
 * is not supported (post-norm OPT, projections inside OPT, an unknown language model) is refused by name, not ignored.
 */
#ifndef MODELS_CONFIG_H
#define MODELS_CONFIG_H

#include <jansson.h>

#include "models/block.h"

typedef struct VisionConfig { /* of the EVA encoder in BLIP-2, of CLIP's or SigLIP's */
    size_t hidden, layers, heads, mlp, image, patch;
    double eps;
    bool qkv_bias;
    Activation activation;
} VisionConfig;

/* How rotary positions turn: pair i of a head by position * theta^(-2i / head_dim), scaled once. */
typedef struct RopeConfig {
    double theta; /* 0: positions are learned, a table */
    enum { ROPE_PLAIN, ROPE_LINEAR, ROPE_LLAMA3 } scaling;
    double factor, low, high; /* low, high and original: llama3's */
    size_t original;          /* positions trained with */
} RopeConfig;

enum { MOST_EOS = 8 };

/* What ends a caption: any of these tokens. */
typedef struct EosIds {
    int32_t ids[MOST_EOS];
    size_t n;
} EosIds;

static inline bool eos_is(const EosIds *eos, int32_t id)
{
    for (size_t i = 0; i < eos->n; i++)
        if (eos->ids[i] == id)
            return true;
    return false;
}

/* A language model: what families differ in (language.h). */
typedef struct LmConfig {
    const struct LanguageFamily *family;
    size_t hidden, layers, heads, ffn, positions, vocabulary;
    size_t kv_heads, head_dim; /* of keys and values; heads * head_dim need not be hidden */
    Activation activation;
    double eps; /* of every norm */
    RopeConfig rope;
    bool tied; /* the head is the embedding's matrix */
    bool qkv_bias, out_bias, mlp_bias;
    size_t
        memory; /* columns of an image's rows that every layer attends to (BERT's, norms behind); 0: rows stand in the sequence */
    int32_t bos, pad;
    EosIds eos;
} LmConfig;

typedef struct TextTowerConfig { /* of CLIP's or SigLIP's texts (text_tower.h) */
    size_t hidden, layers, heads, mlp, vocabulary, positions;
    double eps;
    int32_t bos, eos; /* CLIP. eos: whose row speaks for a text; 2: that of the largest id (older files) */
    Activation activation;
    bool both_ways; /* no causal mask: SigLIP */
} TextTowerConfig;

/* Of a language model's own folder or of the one inside another model's (*inside). */
MUST_USE bool lm_config_read(LmConfig *out, bool *inside, const char *folder, Error *err);

/* FOLDER/config.json, and its path for messages (the caller's, also where there is no such file). NULL with err set. */
json_t *config_json(const char *folder, char **path, Error *err);
/* eos_token_id of FOLDER/generation_config.json; *eos stays what it is where there is none. The first is what a caption ends with
 * that is made from a text: <|eot_id|> where it is among several. */
MUST_USE bool config_eos(EosIds *eos, const char *folder, Error *err);

#endif
