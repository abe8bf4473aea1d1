/* BLIP's texts; see blip_text.h. */
#include "models/families/blip/blip_text.h"

#include <stdlib.h>

/* ---- binding ---- */

void blip_text_bind(BlipText *m, Binder *b, const BlipTextConfig *c, size_t memory, const char *prefix)
{
    const BertSizes sizes = {c->hidden, c->mlp, c->eps};
    const size_t d = c->hidden;
    *m = (BlipText){.config = *c};
    m->layers = xcalloc(c->layers, sizeof m->layers[0]);
    bind_matrix(b, &m->words, c->vocabulary, d, SHAPE(c->vocabulary, d), "%s.embeddings.word_embeddings.weight", prefix);
    bind_matrix(b, &m->positions, c->positions, d, SHAPE(c->positions, d), "%s.embeddings.position_embeddings.weight", prefix);
    bind_norm(b, &m->norm, d, c->eps, "%s.embeddings.LayerNorm", prefix);
    for (size_t i = 0; i < c->layers; i++) {
        char *name = xasprintf("%s.encoder.layer.%zu", prefix, i);
        bert_bind_layer(b, &m->layers[i], &sizes, memory, name);
        free(name);
    }
}

void blip_text_release(BlipText *m)
{
    free(m->layers);
    m->layers = NULL;
}

/* ---- forward ---- */

/* How n texts lie in the matrices of one pass; on the tape. */
typedef struct TextLayout {
    size_t rows;
    Span *self, *cross;       /* [n]: cross over the images' rows */
    int32_t *ids, *positions; /* [rows] */
} TextLayout;

static TextLayout lay_out(Tape *t, const BlipText *m, const BlipPass *pass, const MatcherText *texts, size_t n)
{
    const size_t each = pass->images ? pass->images->rows / pass->n_images : 0;
    TextLayout l = {.self = tape_alloc(t, n * sizeof *l.self), .cross = tape_alloc(t, n * sizeof *l.cross)};
    for (size_t i = 0; i < n; i++) {
        if (texts[i].n == 0 || texts[i].n > m->config.positions || (pass->images && texts[i].image >= pass->n_images))
            bug("text %zu: image %zu of %zu, %zu word pieces (1 to %zu)", i, texts[i].image, pass->n_images, texts[i].n,
                m->config.positions);
        l.self[i] = (Span){.q = l.rows, .nq = texts[i].n, .k = l.rows, .nk = texts[i].n};
        l.cross[i] = (Span){.q = l.rows, .nq = texts[i].n, .k = texts[i].image * each, .nk = each};
        l.rows += texts[i].n;
    }
    l.ids = tape_alloc(t, l.rows * sizeof *l.ids);
    l.positions = tape_alloc(t, l.rows * sizeof *l.positions);
    for (size_t i = 0, row = 0; i < n; i++)
        for (size_t j = 0; j < texts[i].n; j++, row++) {
            l.ids[row] = texts[i].ids[j];
            l.positions[row] = (int32_t)j;
        }
    return l;
}

typedef struct LayerPass {
    const BertLayer *layer;
    const TextLayout *layout;
    BlipPass pass;
    size_t n, heads;
} LayerPass;

static Tensor *layer_forward(Tape *t, void *context, Tensor *x)
{
    const LayerPass *p = context;
    const BertLayer *l = p->layer;
    x = bert_self_attend(t, &l->self, x, p->layout->self, p->n, p->heads, p->pass.causal);
    if (p->pass.images) {
        const Tensor *k = op_linear(t, p->pass.images, &l->cross.key), *v = op_linear(t, p->pass.images, &l->cross.value);
        x = bert_attend(t, &l->cross, x, k, v, p->layout->cross, p->n, p->heads, false);
    }
    return bert_feed_forward(t, &l->ffn, x);
}

Tensor *blip_text_rows(Tape *t, const BlipText *m, const BlipPass *pass, const MatcherText *texts, size_t n)
{
    TextLayout *l = tape_alloc(t, sizeof *l);
    *l = lay_out(t, m, pass, texts, n);
    Tensor *x = op_add(t, op_embed(t, &m->words, l->ids, l->rows), op_embed(t, &m->positions, l->positions, l->rows));
    x = op_norm(t, x, &m->norm);
    for (size_t i = 0; i < m->config.layers; i++) {
        LayerPass *p = tape_alloc(t, sizeof *p);
        *p = (LayerPass){&m->layers[i], l, *pass, n, m->config.heads};
        x = tape_checkpoint(t, layer_forward, p, x, x->rows);
    }
    return x;
}
