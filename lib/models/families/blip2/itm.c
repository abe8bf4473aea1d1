/* BLIP-2's matching model; see itm.h. */
#include "models/families/blip2/itm.h"

#include <stdlib.h>

/* The image-text contrast heads are not used here, only carried along: what is written from this layout is a whole checkpoint. */
static void bind_contrast(Itm *m, Binder *b)
{
    const size_t d = m->config.qformer.hidden, out = m->config.image_text_hidden;
    if (b->checkpoint && !checkpoint_find(b->checkpoint, "vision_projection.weight"))
        return;
    bind_linear(b, &m->vision_projection, out, d, true, "vision_projection");
    bind_linear(b, &m->text_projection, out, d, true, "text_projection");
}

static bool itm_read(Matcher *base, const char *folder, Error *err)
{
    Blip2Config *c = &((Itm *)base)->config;
    if (!blip2_config_read(c, folder, err))
        return false;
    base->vocabulary = c->qformer.vocabulary;
    base->positions = c->qformer.positions;
    return true;
}

static void itm_bind(Matcher *base)
{
    Itm *m = (Itm *)base;
    Binder *b = &base->binder;
    vit_bind(&m->base.vit, b, &m->config.vision, VIT_EVA, "vision_model");
    qformer_bind(&m->qformer, b, &m->config.qformer, m->config.queries, QFORMER_TEXT);
    bind_linear(b, &m->head, 2, m->config.qformer.hidden, true, "itm_head");
    bind_contrast(m, b);
}

Itm *itm_open(const char *folder, const Kernels *kernels, Error *err)
{
    return (Itm *)matcher_open_as(&blip2_itm_family, folder, kernels, err);
}

static void itm_release(Matcher *base)
{
    qformer_release(&((Itm *)base)->qformer);
}

Tensor *itm_head(Tape *t, const Itm *m, const Tensor *rows, size_t n)
{
    size_t *first = xmalloc(2 * n * sizeof *first), *count = first + n;
    for (size_t i = 0; i < n; i++) {
        first[i] = i * m->qformer.queries;
        count[i] = m->qformer.queries;
    }
    Tensor *mean = op_mean_rows(t, rows, first, count, n);
    free(first);
    return op_linear(t, mean, &m->head);
}

static Tensor *itm_logits(Tape *t, const Matcher *base, const Tensor *rows, size_t n_images, const MatcherText *texts, size_t n)
{
    const Itm *m = (const Itm *)base;
    QformerMemory memory = qformer_memory(t, &m->qformer, rows, n_images);
    return itm_head(t, m, qformer_pairs(t, &m->qformer, &memory, texts, n, NULL), n);
}

const MatcherFamily blip2_itm_family = {.said = "a BLIP-2 image-text matching model",
                                        .architecture = "Blip2ForImageTextRetrieval",
                                        .size = sizeof(Itm),
                                        .read = itm_read,
                                        .bind = itm_bind,
                                        .release = itm_release,
                                        .logits = itm_logits};
