/* The shapes of captioners with a LLaMA among those of vlrm-weights random: SmolVLM, LLaVA. */
#ifndef WEIGHTS_SHAPES_CAPTIONER_H
#define WEIGHTS_SHAPES_CAPTIONER_H

#include "base/json_file.h"
#include "models/config.h"

typedef struct CaptionerShape {
    const char *family; /* "smolvlm", "llava" */
    VisionConfig vision;
    LmConfig text;
    size_t scale; /* SmolVLM: patches across the square that becomes one row */
    int32_t image_token, eos;
} CaptionerShape;

/* As shape_language_find, of captioners. */
MUST_USE bool shape_captioner_find(CaptionerShape *out, const char *name, const char *tokenizer, Error *err);

json_t *shape_captioner_json(const CaptionerShape *s);         /* its config.json; the caller's */
json_t *shape_captioner_preprocessor(const CaptionerShape *s); /* its preprocessor_config.json; the caller's */
const char *shape_captioner_head(const CaptionerShape *s);     /* the name of its output's matrix */

#endif
