/* The post-norm block with cross-attention; see bert_layer.h. */
#include "models/bert_layer.h"

typedef struct LayerContext {
    const BertLayer *layer;
    BlockPass pass;
    const Tensor *keys, *values;
    Tensor *cache_k, *cache_v; /* NULL: none */
    const size_t *at;
} LayerContext;

static Tensor *forward(Tape *t, void *context, Tensor *x)
{
    const LayerContext *c = context;
    const BertLayer *l = c->layer;
    const BlockPass *p = &c->pass;
    const Kernels *kernels = tape_kernels(t);
    const Tensor *k = op_linear(t, x, &l->self.key), *v = op_linear(t, x, &l->self.value);
    if (c->cache_k) {
        kernels->scatter(c->cache_k->data, k->data, c->at, k->rows, k->cols);
        kernels->scatter(c->cache_v->data, v->data, c->at, v->rows, v->cols);
        k = c->cache_k;
        v = c->cache_v;
    }
    x = bert_attend(t, &l->self, block_wanted(t, p, x), k, v, p->spans, p->n_spans, p->heads, true);
    x = bert_attend(t, &l->cross, x, c->keys, c->values, p->cross, p->n_spans, p->heads, false);
    return bert_feed_forward(t, &l->ffn, x);
}

Tensor *bert_layer_forward(Tape *t, const BertLayer *layer, const BlockPass *pass, const Tensor *keys, const Tensor *values,
                           Tensor *x)
{
    LayerContext *c = tape_alloc(t, sizeof *c);
    *c = (LayerContext){.layer = layer, .pass = *pass, .keys = keys, .values = values};
    return tape_checkpoint(t, forward, c, x, pass->wanted ? pass->n_wanted : x->rows);
}

Tensor *bert_layer_cached(Tape *t, const BertLayer *layer, const BlockPass *pass, const Tensor *keys, const Tensor *values,
                          Tensor *x, Tensor *cache_k, Tensor *cache_v, const size_t *at)
{
    if (tape_recording(t))
        bug("decoding with a cache is not recorded");
    LayerContext c = {layer, *pass, keys, values, cache_k, cache_v, at};
    return tape_checkpoint(t, forward, &c, x, pass->wanted ? pass->n_wanted : x->rows);
}
