/* The scorer; see itm.h. */
#include "models/itm.h"

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

/* Takes the checkpoint; NULL: a layout without values. */
static Itm *new_over(const Blip2Config *config, Checkpoint *checkpoint, const Kernels *kernels)
{
    Itm *m = xcalloc(1, sizeof *m);
    *m = (Itm){.config = *config, .checkpoint = checkpoint};
    binder_init(&m->binder, kernels, checkpoint);
    vit_bind(&m->vit, &m->binder, &config->vision, VIT_EVA, "vision_model");
    qformer_bind(&m->qformer, &m->binder, &config->qformer, config->queries, true);
    bind_linear(&m->binder, &m->head, 2, config->qformer.hidden, true, "itm_head");
    bind_contrast(m, &m->binder);
    return m;
}

Itm *itm_new(const Blip2Config *config, const Kernels *kernels)
{
    return new_over(config, NULL, kernels);
}

Itm *itm_open(const char *folder, const Kernels *kernels, Error *err)
{
    Blip2Config config;
    if (!model_kind_check(folder, MODEL_ITM, err) || !blip2_config_read(&config, folder, err))
        return NULL;
    Checkpoint *checkpoint = checkpoint_open(folder, err);
    if (!checkpoint)
        return NULL;
    Itm *m = new_over(&config, checkpoint, kernels);
    if (binder_ok(&m->binder, err))
        return m;
    itm_free(m);
    return NULL;
}

void itm_free(Itm *m)
{
    if (!m)
        return;
    vit_release(&m->vit);
    qformer_release(&m->qformer);
    binder_release(&m->binder);
    checkpoint_free(m->checkpoint);
    free(m);
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

Tensor *itm_logits(Tape *t, const Itm *m, const QformerMemory *memory, const QformerText *texts, size_t n)
{
    return itm_head(t, m, qformer_pairs(t, &m->qformer, memory, texts, n, NULL), n);
}
