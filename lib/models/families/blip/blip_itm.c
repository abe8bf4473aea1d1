/* BLIP's image-text matching model, BlipForImageTextRetrieval: the rows of a text that has seen the image; [CLS]'s decides. */
#include <stdlib.h>

#include "models/families/blip/blip_text.h"

typedef struct BlipItm {
    Matcher base;
    BlipConfig config;
    BlipText text;
    Linear head;                               /* [2, hidden]: 0 no match, 1 match */
    Linear vision_projection, text_projection; /* of the contrast: carried along, not used */
} BlipItm;

static void bind_all(BlipItm *m, Binder *b)
{
    const BlipConfig *c = &m->config;
    vit_bind(&m->base.vit, b, &c->vision, VIT_EVA, "vision_model");
    blip_text_bind(&m->text, b, &c->text, c->vision.hidden, "text_encoder");
    bind_linear(b, &m->head, 2, c->text.hidden, true, "itm_head");
    bind_linear(b, &m->vision_projection, c->image_text_hidden, c->vision.hidden, true, "vision_proj");
    bind_linear(b, &m->text_projection, c->image_text_hidden, c->text.hidden, true, "text_proj");
}

static Matcher *blip_itm_open(const char *folder, bool layout, const Kernels *kernels, Error *err)
{
    BlipConfig config;
    Checkpoint *checkpoint = NULL;
    if (!blip_config_read(&config, folder, err) || (!layout && !(checkpoint = checkpoint_open(folder, err))))
        return NULL;
    BlipItm *m = xcalloc(1, sizeof *m);
    m->config = config;
    m->base = (Matcher){.family = &blip_itm_family,
                        .checkpoint = checkpoint,
                        .vocabulary = config.text.vocabulary,
                        .positions = config.text.positions};
    binder_init(&m->base.binder, kernels, checkpoint);
    bind_all(m, &m->base.binder);
    if (binder_ok(&m->base.binder, err))
        return &m->base;
    matcher_free(&m->base);
    return NULL;
}

static void blip_itm_release(Matcher *base)
{
    blip_text_release(&((BlipItm *)base)->text);
}

static Tensor *blip_itm_logits(Tape *t, const Matcher *base, const Tensor *rows, size_t n_images, const MatcherText *texts,
                               size_t n)
{
    const BlipItm *m = (const BlipItm *)base;
    const BlipPass pass = {.images = rows, .n_images = n_images};
    const Tensor *x = blip_text_rows(t, &m->text, &pass, texts, n);
    RowRef *first = xcalloc(n, sizeof *first);
    for (size_t i = 0, row = 0; i < n; row += texts[i++].n)
        first[i].row = (uint32_t)row;
    Tensor *class_rows = op_gather(t, &x, 1, first, n);
    free(first);
    return op_linear(t, class_rows, &m->head);
}

const MatcherFamily blip_itm_family = {.said = "a BLIP image-text matching model",
                                       .architecture = "BlipForImageTextRetrieval",
                                       .open = blip_itm_open,
                                       .release = blip_itm_release,
                                       .logits = blip_itm_logits};
