/* The shapes that vlrm-weights random knows, and their configuration files. */
#ifndef WEIGHTS_SHAPES_H
#define WEIGHTS_SHAPES_H

#include "base/json_file.h"
#include "models/families/blip/blip_config.h"
#include "models/families/blip2/blip2_config.h"
#include "models/families/clip/clip_config.h"
#include "models/families/siglip/siglip.h"
#include "weights/shapes_captioner.h"

typedef struct ModelShape {
    const char *family; /* "blip2", "itm", "blip-itm", "blip-captioner", "clip", "siglip", "language", "captioner" */
    LmConfig language;
    CaptionerShape captioner;
    SiglipConfig siglip;
    BlipConfig blip;
    Blip2Config blip2;
    ClipConfig clip;
    size_t used_words; /* rows of the captioner's vocabulary that are words; the rest is padding */
    int32_t eos;
    double eos_logit; /* larger: captions end sooner */
} ModelShape;

/* One of weights_shapes, its vocabulary sized by the tokenizer folder if there is one. */
MUST_USE bool shape_find(ModelShape *out, const char *name, const char *tokenizer, Error *err);

/* The language models among them, without a captioner around: false and err as it was for another name; err set where the
 * tokenizer cannot be read. */
MUST_USE bool shape_language_find(LmConfig *out, const char *name, const char *tokenizer, Error *err);
json_t *shape_language_json(const LmConfig *c); /* its config.json; the caller's */

/* The SigLIPs among them, likewise; config.json and preprocessor_config.json. */
MUST_USE bool shape_siglip_find(SiglipConfig *out, const char *name, const char *tokenizer, Error *err);
json_t *shape_siglip_json(const SiglipConfig *c);
json_t *shape_siglip_pixels_json(const SiglipConfig *c);

/* BLIP's matching models among them, likewise. */
MUST_USE bool shape_blip_find(BlipConfig *out, const char *name, const char *tokenizer, Error *err);
json_t *shape_blip_json(const BlipConfig *c);

/* config.json, generation_config.json (captioner) and preprocessor_config.json. */
MUST_USE bool shape_write_config(const ModelShape *s, const char *dtype, const char *folder, Error *err);

/* vocab.json, merges.txt, vocab.txt, tokenizer.json, tokenizer_config.json, ... as far as the folder has them. Dies on failure.
 */
void shape_copy_tokenizer(const char *from, const char *to);

#endif
