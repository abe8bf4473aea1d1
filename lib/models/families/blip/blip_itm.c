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

static bool blip_itm_read(Matcher *base, const char *folder, Error *err)
{
    BlipConfig *c = &((BlipItm *)base)->config;
    if (!blip_config_read(c, folder, err))
        return false;
    base->vocabulary = c->text.vocabulary;
    base->positions = c->text.positions;
    return true;
}

static void blip_itm_bind(Matcher *base)
{
    BlipItm *m = (BlipItm *)base;
    Binder *b = &base->binder;
    const BlipConfig *c = &m->config;
    vit_bind(&m->base.vit, b, &c->vision, VIT_EVA, "vision_model");
    blip_text_bind(&m->text, b, &c->text, c->vision.hidden, "text_encoder");
    bind_linear(b, &m->head, 2, c->text.hidden, true, "itm_head");
    bind_linear(b, &m->vision_projection, c->image_text_hidden, c->vision.hidden, true, "vision_proj");
    bind_linear(b, &m->text_projection, c->image_text_hidden, c->text.hidden, true, "text_proj");
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
                                       .size = sizeof(BlipItm),
                                       .read = blip_itm_read,
                                       .bind = blip_itm_bind,
                                       .release = blip_itm_release,
                                       .logits = blip_itm_logits};
