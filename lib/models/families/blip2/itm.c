/* BLIP-2's matching model; see itm.h. */
#include "models/families/blip2/itm.h"

#include <stdlib.h>

#include "models/kind.h"

/* The image-text contrast heads are not used here, only carried along: what is written from this layout is a whole checkpoint. */
static void bind_contrast(Itm *m, Binder *b)
{
    const size_t d = m->config.qformer.hidden, out = m->config.image_text_hidden;
    if (b->checkpoint && !checkpoint_find(b->checkpoint, "vision_projection.weight"))
        return;
    bind_linear(b, &m->vision_projection, out, d, true, "vision_projection");
    bind_linear(b, &m->text_projection, out, d, true, "text_projection");
}

static void bind_all(Itm *m, Binder *b)
{
    vit_bind(&m->base.vit, b, &m->config.vision, VIT_EVA, "vision_model");
    qformer_bind(&m->qformer, b, &m->config.qformer, m->config.queries, QFORMER_TEXT);
    bind_linear(b, &m->head, 2, m->config.qformer.hidden, true, "itm_head");
    bind_contrast(m, b);
}

static Matcher *itm_matcher_open(const char *folder, bool layout, const Kernels *kernels, Error *err)
{
    Blip2Config config;
    Checkpoint *checkpoint = NULL;
    if (!blip2_config_read(&config, folder, err) || (!layout && !(checkpoint = checkpoint_open(folder, err))))
        return NULL;
    Itm *m = xcalloc(1, sizeof *m);
    m->config = config;
    m->base = (Matcher){.family = &blip2_itm_family,
                        .checkpoint = checkpoint,
                        .vocabulary = config.qformer.vocabulary,
                        .positions = config.qformer.positions};
    binder_init(&m->base.binder, kernels, checkpoint);
    bind_all(m, &m->base.binder);
    if (binder_ok(&m->base.binder, err))
        return &m->base;
    matcher_free(&m->base);
    return NULL;
}

Itm *itm_open(const char *folder, const Kernels *kernels, Error *err)
{
    return model_kind_check(folder, MODEL_ITM, err) ? (Itm *)itm_matcher_open(folder, false, kernels, err) : NULL;
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
                                        .open = itm_matcher_open,
                                        .release = itm_release,
                                        .logits = itm_logits};
