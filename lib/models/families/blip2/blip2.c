/* The captioner; see blip2.h. */
#include "models/families/blip2/blip2.h"

#include <stdlib.h>

#include "models/kind.h"

#define BOS 2 /* `</s>`, which OPT puts before every text */

/* Takes the checkpoint; NULL: a layout without values. */
static Captioner *new_over(const Blip2Config *config, Checkpoint *checkpoint, const Kernels *kernels)
{
    Captioner *c = xcalloc(1, sizeof *c);
    *c = (Captioner){.config = *config, .checkpoint = checkpoint, .bos = BOS, .eos = config->eos};
    c->config.text.bos = BOS;
    binder_init(&c->binder, kernels, checkpoint);
    vit_bind(&c->vit, &c->binder, &config->vision, VIT_EVA, "vision_model");
    qformer_bind(&c->qformer, &c->binder, &config->qformer, config->queries, false);
    bind_linear(&c->binder, &c->projection, config->text.hidden, config->qformer.hidden, true, "language_projection");
    lm_bind(&c->lm, &c->binder, &c->config.text, "language_model.model.decoder", NULL);
    return c;
}

Captioner *captioner_new(const Blip2Config *config, const Kernels *kernels)
{
    return new_over(config, NULL, kernels);
}

Captioner *captioner_open(const char *folder, const Kernels *kernels, Error *err)
{
    Blip2Config config;
    if (!model_kind_check(folder, MODEL_CAPTIONER, err) || !blip2_config_read(&config, folder, err))
        return NULL;
    Checkpoint *checkpoint = checkpoint_open(folder, err);
    if (!checkpoint)
        return NULL;
    Captioner *c = new_over(&config, checkpoint, kernels);
    if (binder_ok(&c->binder, err))
        return c;
    captioner_free(c);
    return NULL;
}

void captioner_free(Captioner *c)
{
    if (!c)
        return;
    vit_release(&c->vit);
    qformer_release(&c->qformer);
    lm_release(&c->lm);
    binder_release(&c->binder);
    checkpoint_free(c->checkpoint);
    free(c);
}

Tensor *blip2_prefix(Tape *t, const Captioner *c, const Tensor *features, size_t n)
{
    QformerMemory memory = qformer_memory(t, &c->qformer, features, n);
    return op_linear(t, qformer_queries(t, &c->qformer, &memory), &c->projection);
}
