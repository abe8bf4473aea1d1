/*
 * The captioner: Blip2ForConditionalGeneration with an OPT behind it (Li et al. 2023, https://arxiv.org/abs/2301.12597).
 * models.md section 3.
 */
#ifndef MODELS_FAMILIES_BLIP2_BLIP2_H
#define MODELS_FAMILIES_BLIP2_BLIP2_H

#include "models/captioner.h"
#include "models/families/blip2/qformer.h"

/* What a captioner of blip2_family has as its own. */
typedef struct Blip2 {
    Blip2Config config;
    Qformer qformer; /* query tokens inside */
    Linear projection;
} Blip2;

#endif
