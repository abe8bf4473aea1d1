/*
 * What BERT-style layers are made of (Devlin et al. 2019), the norm behind each half: attention among rows or over others, and
 * the feed-forward half. The Q-Former and BLIP's texts put them together.
 */
#ifndef MODELS_BERT_H
#define MODELS_BERT_H

#include "models/bind.h"

typedef struct BertAttention {
    Linear query, key, value, dense;
    Norm norm;
} BertAttention;

typedef struct BertFfn {
    Linear up, down;
    Norm norm;
} BertFfn;

/* A layer of BLIP's texts, which attends to an image between its two halves. */
typedef struct BertLayer {
    BertAttention self, cross;
    BertFfn ffn;
} BertLayer;

/* Sizes of a layer: rows [.., hidden], a feed-forward half of mlp. */
typedef struct BertSizes {
    size_t hidden, mlp;
    double eps;
} BertSizes;

/* Binds NAME.INNER.query, .key, .value (of rows [.., memory]), NAME.output.dense and NAME.output.LayerNorm. */
void bert_bind_attention(Binder *b, BertAttention *a, const BertSizes *sizes, size_t memory, const char *name, const char *inner);
/* Binds LAYER.intermediateSUFFIX.dense, LAYER.outputSUFFIX.dense and LAYER.outputSUFFIX.LayerNorm. */
void bert_bind_ffn(Binder *b, BertFfn *f, const BertSizes *sizes, const char *layer, const char *suffix);

/* Binds NAME.attention, NAME.crossattention (over rows [.., memory]) and the feed-forward half of NAME. */
void bert_bind_layer(Binder *b, BertLayer *l, const BertSizes *sizes, size_t memory, const char *name);

/* LN(x + dense(attention of x's rows to k and v)): [rows, hidden]; x itself is not wanted later (op_linear_add_inplace). */
Tensor *bert_attend(Tape *t, const BertAttention *a, Tensor *x, const Tensor *k, const Tensor *v, const Span *spans, size_t n,
                    size_t heads, bool causal);
/* The same with keys and values of x. */
Tensor *bert_self_attend(Tape *t, const BertAttention *a, Tensor *x, const Span *spans, size_t n, size_t heads, bool causal);
/* LN(x + down(gelu(up(x)))), likewise. */
Tensor *bert_feed_forward(Tape *t, const BertFfn *f, Tensor *x);

#endif
