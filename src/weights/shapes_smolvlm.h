/* SmolVLM's shapes among those of vlrm-weights random. */
#ifndef WEIGHTS_SHAPES_SMOLVLM_H
#define WEIGHTS_SHAPES_SMOLVLM_H

#include "base/json_file.h"
#include "models/config.h"

typedef struct SmolvlmShape {
    VisionConfig vision;
    LmConfig text;
    size_t scale; /* patches across the square that becomes one row */
    int32_t image_token, eos;
} SmolvlmShape;

/* As shape_language_find, of SmolVLMs. */
MUST_USE bool shape_smolvlm_find(SmolvlmShape *out, const char *name, const char *tokenizer, Error *err);

json_t *shape_smolvlm_json(const SmolvlmShape *s);         /* its config.json; the caller's */
json_t *shape_smolvlm_preprocessor(const SmolvlmShape *s); /* its preprocessor_config.json; the caller's */

#endif
