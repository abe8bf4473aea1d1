/* CLIP; see clip.h. */
#include "models/families/clip/clip.h"

#include <stdlib.h>
#include <string.h>

#include "models/families/clip/open_clip.h"
#include "models/kind.h"

static void bind_projections(Clip *c, Binder *b)
{
    const size_t p = c->config.projection, v = c->config.vision.hidden, d = c->config.text.hidden;
    bind_linear(b, &c->visual_projection, p, v, false, "visual_projection");
    bind_linear(b, &c->text_projection, p, d, false, "text_projection");
    bind_vector(b, &c->logit_scale, 1, 1, (Shape){.ndim = 0}, "logit_scale");
}

static void bind_all(Clip *c, Binder *b)
{
    vit_bind(&c->vit, b, &c->config.vision, VIT_CLIP, "vision_model");
    text_tower_bind(&c->text, b, &c->config.text);
    bind_projections(c, b);
}

/* Takes the checkpoint; NULL: a layout without values. */
static Clip *new_over(const ClipConfig *config, Checkpoint *checkpoint, const Kernels *kernels)
{
    Clip *c = xcalloc(1, sizeof *c);
    c->config = *config;
    c->base = (Scorer){.family = &clip_family, .checkpoint = checkpoint};
    c->base.traits = (ScorerTraits){.images = {.side = config->vision.image, .crop = true},
                                    .cols = config->projection,
                                    .vocabulary = config->text.vocabulary,
                                    .positions = config->text.positions,
                                    .words = SCORER_WORDS_CLIP};
    memcpy(c->base.traits.images.mean, config->mean, sizeof config->mean);
    memcpy(c->base.traits.images.std, config->std, sizeof config->std);
    binder_init(&c->base.binder, kernels, checkpoint);
    return c;
}

Clip *clip_open(const char *folder, const Kernels *kernels, Error *err)
{
    ClipConfig config;
    if (!model_kind_check(folder, MODEL_SCORER, err))
        return NULL;
    Checkpoint *checkpoint = checkpoint_open(folder, err);
    if (!checkpoint)
        return NULL;
    const bool open_clip = open_clip_named(checkpoint);
    if (!(open_clip ? open_clip_config_read : clip_config_read)(&config, folder, err)) {
        checkpoint_free(checkpoint);
        return NULL;
    }
    text_tower_take_positions(&config.text, checkpoint, open_clip ? open_clip_positions(checkpoint) : TEXT_TOWER_POSITIONS);
    Clip *c = new_over(&config, checkpoint, kernels);
    if (open_clip)
        open_clip_bind(c);
    else
        bind_all(c, &c->base.binder);
    if (binder_ok(&c->base.binder, err))
        return c;
    scorer_free(&c->base);
    return NULL;
}

static Scorer *open_scorer(const char *folder, bool layout, const Kernels *kernels, Error *err)
{
    ClipConfig config;
    if (layout && !clip_config_read(&config, folder, err))
        return NULL;
    Clip *c = layout ? new_over(&config, NULL, kernels) : clip_open(folder, kernels, err);
    if (layout)
        bind_all(c, &c->base.binder);
    return c ? &c->base : NULL;
}

static void clip_release(Scorer *base)
{
    Clip *c = (Clip *)base;
    vit_release(&c->vit);
    text_tower_release(&c->text);
}

static Tensor *clip_images(Tape *t, const Scorer *base, const float *pixels, size_t n)
{
    const Clip *c = (const Clip *)base;
    const Tensor *x = vit_blocks(t, &c->vit, pixels, n);
    RowRef *refs = xmalloc(n * sizeof *refs);
    for (size_t i = 0; i < n; i++)
        refs[i] = (RowRef){0, (uint32_t)(i * vit_rows(&c->vit))};
    const Tensor *class_rows = op_gather(t, &x, 1, refs, n);
    free(refs);
    return op_normalise(t, op_linear(t, vit_norm(t, &c->vit, class_rows), &c->visual_projection));
}

/* Which row of a text speaks for it. */
static size_t eot_row(const Clip *c, const ScorerText *text)
{
    const int32_t eos = c->config.text.eos;
    size_t best = 0;
    for (size_t i = 0; i < text->n; i++) {
        if (eos != 2 && text->ids[i] == eos)
            return i;
        if (eos == 2 && text->ids[i] > text->ids[best])
            best = i;
    }
    return best;
}

static Tensor *clip_texts(Tape *t, const Scorer *base, const ScorerText *texts, size_t n)
{
    const Clip *c = (const Clip *)base;
    size_t *eot = xmalloc(n * sizeof *eot);
    for (size_t i = 0; i < n; i++)
        eot[i] = eot_row(c, &texts[i]);
    const Tensor *x = text_tower_rows(t, &c->text, texts, eot, n);
    free(eot);
    return op_normalise(t, op_linear(t, x, &c->text_projection));
}

const ScorerFamily clip_family = {.said = "a CLIP",
                                  .model_type = "clip",
                                  .open = open_scorer,
                                  .release = clip_release,
                                  .images = clip_images,
                                  .texts = clip_texts};
