/* SigLIP; see siglip.h. */
#include "models/families/siglip/siglip.h"

#include <stdlib.h>

static void bind_pooling(PoolingHead *p, Binder *b, const VisionConfig *c)
{
    const size_t d = c->hidden;
    bind_vector(b, &p->probe, 1, d, SHAPE(1, 1, d), "vision_model.head.probe");
    bind_in_proj(b, (Linear *const[]){&p->q, &p->k, &p->v}, 3, d, d, "vision_model.head.attention.in_proj");
    bind_linear(b, &p->out, d, d, true, "vision_model.head.attention.out_proj");
    bind_norm(b, &p->norm, d, c->eps, "vision_model.head.layernorm");
    bind_linear(b, &p->fc1, c->mlp, d, true, "vision_model.head.mlp.fc1");
    bind_linear(b, &p->fc2, d, c->mlp, true, "vision_model.head.mlp.fc2");
}

static void bind_all(Siglip *s, Binder *b)
{
    const SiglipConfig *c = &s->config;
    vit_bind(&s->vit, b, &c->vision, VIT_SIGLIP, "vision_model");
    bind_pooling(&s->pooling, b, &c->vision);
    text_tower_bind(&s->text, b, &c->text);
    bind_linear(b, &s->head, c->projection, c->text.hidden, true, "text_model.head");
    bind_vector(b, &s->logit_scale, 1, 1, SHAPE(1), "logit_scale");
    bind_vector(b, &s->logit_bias, 1, 1, SHAPE(1), "logit_bias");
}

/* Takes the checkpoint; NULL: a layout without values. */
static Siglip *new_over(const SiglipConfig *config, Checkpoint *checkpoint, const Kernels *kernels)
{
    Siglip *s = xcalloc(1, sizeof *s);
    s->config = *config;
    s->base = (Scorer){.family = &siglip_family, .checkpoint = checkpoint};
    s->base.traits = (ScorerTraits){.images = config->images,
                                    .cols = config->projection,
                                    .vocabulary = config->text.vocabulary,
                                    .positions = config->text.positions,
                                    .words = SCORER_WORDS_SIGLIP,
                                    .padded = true};
    binder_init(&s->base.binder, kernels, checkpoint);
    bind_all(s, &s->base.binder);
    return s;
}

static Scorer *siglip_open(const char *folder, bool layout, const Kernels *kernels, Error *err)
{
    SiglipConfig config;
    Checkpoint *checkpoint = NULL;
    if (!siglip_config_read(&config, folder, err) || (!layout && !(checkpoint = checkpoint_open(folder, err))))
        return NULL;
    Siglip *s = new_over(&config, checkpoint, kernels);
    if (binder_ok(&s->base.binder, err))
        return &s->base;
    scorer_free(&s->base);
    return NULL;
}

static void siglip_release(Scorer *base)
{
    Siglip *s = (Siglip *)base;
    vit_release(&s->vit);
    text_tower_release(&s->text);
}

/* rows [n * rows of an image, hidden] to [n, hidden]. */
static Tensor *pool_rows(Tape *t, const Siglip *s, const Tensor *rows, size_t n)
{
    const PoolingHead *p = &s->pooling;
    const size_t each = rows->rows / n;
    Span *spans = tape_alloc(t, n * sizeof *spans);
    RowRef *probes = xcalloc(n, sizeof *probes); /* row 0 of the probe, for each image */
    for (size_t i = 0; i < n; i++)
        spans[i] = (Span){.q = i, .nq = 1, .k = i * each, .nk = each};
    const Tensor *probe = &s->pooling.probe;
    const Tensor *q = op_linear(t, op_gather(t, &probe, 1, probes, n), &p->q), *k = op_linear(t, rows, &p->k);
    free(probes);
    Tensor *y = op_linear(t, op_attention(t, q, k, op_linear(t, rows, &p->v), spans, n, s->config.vision.heads, false), &p->out);
    Tensor *up = activate_inplace(t, s->config.vision.activation, op_linear(t, op_norm(t, y, &p->norm), &p->fc1));
    return op_linear_add_inplace(t, y, up, &p->fc2);
}

static Tensor *siglip_images(Tape *t, const Scorer *base, const float *pixels, size_t n)
{
    const Siglip *s = (const Siglip *)base;
    return op_normalise(t, pool_rows(t, s, vit_norm(t, &s->vit, vit_blocks(t, &s->vit, pixels, n)), n));
}

static Tensor *siglip_texts(Tape *t, const Scorer *base, const ScorerText *texts, size_t n)
{
    const Siglip *s = (const Siglip *)base;
    size_t *last = xmalloc(n * sizeof *last);
    for (size_t i = 0; i < n; i++)
        last[i] = texts[i].n - 1;
    const Tensor *x = text_tower_rows(t, &s->text, texts, last, n);
    free(last);
    return op_normalise(t, op_linear(t, x, &s->head));
}

const ScorerFamily siglip_family = {.said = "a SigLIP",
                                    .model_type = "siglip",
                                    .open = siglip_open,
                                    .release = siglip_release,
                                    .images = siglip_images,
                                    .texts = siglip_texts};
