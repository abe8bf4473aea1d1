/* The shapes of captioners with a LLaMA among those of vlrm-weights random: SmolVLM, LLaVA, JoyCaption, InstructBLIP. */
#ifndef WEIGHTS_SHAPES_CAPTIONER_H
#define WEIGHTS_SHAPES_CAPTIONER_H

#include "base/json_file.h"
#include "models/config.h"
#include "models/families/blip2/blip2_config.h"

typedef struct CaptionerShape {
    const char *family; /* "smolvlm", "llava", "instructblip" */
    VisionConfig vision;
    LmConfig text;
    QformerConfig qformer; /* InstructBLIP's, and how many queries it has */
    size_t queries;
    size_t scale; /* SmolVLM: patches across the square that becomes one row */
    int32_t image_token, eos;
} CaptionerShape;

/* As shape_language_find, of captioners. */
MUST_USE bool shape_captioner_find(CaptionerShape *out, const char *name, const char *tokenizer, Error *err);

json_t *shape_captioner_json(const CaptionerShape *s);         /* its config.json; the caller's */
json_t *shape_captioner_preprocessor(const CaptionerShape *s); /* its preprocessor_config.json; the caller's */
/* SmolVLM's processor_config.json and chat_template.json; the caller's. */
json_t *shape_smolvlm_processor(const CaptionerShape *s);
json_t *shape_smolvlm_chat(void);
const char *shape_captioner_head(const CaptionerShape *s); /* the name of its output's matrix */

#endif
