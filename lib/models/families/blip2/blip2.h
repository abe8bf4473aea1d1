/*
 * The captioner: Blip2ForConditionalGeneration with an OPT behind it. models.md section 3.
 *
 *   features = vit_norm(vit_blocks(pixels));  prefix = blip2_prefix(features);  then lm.h
 */
#ifndef MODELS_BLIP2_H
#define MODELS_BLIP2_H

#include "models/lm.h"
#include "models/families/blip2/qformer.h"
#include "models/vit.h"

typedef struct Captioner {
    Blip2Config config;
    Checkpoint *checkpoint; /* owned */
    Binder binder;
    Vit vit;
    Qformer qformer; /* query tokens inside */
    Linear projection;
    Lm lm;
    int32_t bos, eos; /* of a caption: 2; generation_config.json's eos, else the text configuration's */
} Captioner;

/* A Hugging Face folder. Accepted: tied or duplicate lm_head, 50272 or 50304 rows, with or without image_token_index. */
Captioner *captioner_open(const char *folder, const Kernels *kernels, Error *err); /* NULL with err set */
/* A model of this shape without values (bind.h): its layout, or a model to be trained from nothing. */
Captioner *captioner_new(const Blip2Config *config, const Kernels *kernels);
void captioner_free(Captioner *c);

/* features [n * vit_rows, hidden], after vit_norm, to the language model's input [n * queries, text hidden]. */
Tensor *blip2_prefix(Tape *t, const Captioner *c, const Tensor *features, size_t n);

#endif
