/* What BERT-style layers are made of; see bert.h. */
#include "models/bert.h"

#include <stdlib.h>

void bert_bind_attention(Binder *b, BertAttention *a, const BertSizes *s, size_t memory, const char *name, const char *inner)
{
    bind_linear(b, &a->query, s->hidden, s->hidden, true, "%s.%s.query", name, inner);
    bind_linear(b, &a->key, s->hidden, memory, true, "%s.%s.key", name, inner);
    bind_linear(b, &a->value, s->hidden, memory, true, "%s.%s.value", name, inner);
    bind_linear(b, &a->dense, s->hidden, s->hidden, true, "%s.output.dense", name);
    bind_norm(b, &a->norm, s->hidden, s->eps, "%s.output.LayerNorm", name);
}

void bert_bind_ffn(Binder *b, BertFfn *f, const BertSizes *s, const char *layer, const char *suffix)
{
    bind_linear(b, &f->up, s->mlp, s->hidden, true, "%s.intermediate%s.dense", layer, suffix);
    bind_linear(b, &f->down, s->hidden, s->mlp, true, "%s.output%s.dense", layer, suffix);
    bind_norm(b, &f->norm, s->hidden, s->eps, "%s.output%s.LayerNorm", layer, suffix);
}

void bert_bind_layer(Binder *b, BertLayer *l, const BertSizes *sizes, size_t memory, const char *name)
{
    char *self = xasprintf("%s.attention", name), *cross = xasprintf("%s.crossattention", name);
    bert_bind_attention(b, &l->self, sizes, sizes->hidden, self, "self");
    bert_bind_attention(b, &l->cross, sizes, memory, cross, "self");
    bert_bind_ffn(b, &l->ffn, sizes, name, "");
    free(cross);
    free(self);
}

Tensor *bert_attend(Tape *t, const BertAttention *a, Tensor *x, const Tensor *k, const Tensor *v, const Span *spans, size_t n,
                    size_t heads, bool causal)
{
    Tensor *h = op_attention(t, op_linear(t, x, &a->query), k, v, spans, n, heads, causal);
    return op_norm(t, op_linear_add_inplace(t, x, h, &a->dense), &a->norm);
}

Tensor *bert_self_attend(Tape *t, const BertAttention *a, Tensor *x, const Span *spans, size_t n, size_t heads, bool causal)
{
    return bert_attend(t, a, x, op_linear(t, x, &a->key), op_linear(t, x, &a->value), spans, n, heads, causal);
}

Tensor *bert_feed_forward(Tape *t, const BertFfn *f, Tensor *x)
{
    Tensor *h = op_gelu_inplace(t, op_linear(t, x, &f->up));
    return op_norm(t, op_linear_add_inplace(t, x, h, &f->down), &f->norm);
}
