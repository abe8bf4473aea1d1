/*
 * The ops: about a dozen, each as large as a layer, each a forward and a backward written side by side (lib/tensor/op_*.c).
 *
 * They check shapes (a wrong one is a bug() naming both), compute through tape_kernels(t), and note their backward step.
 * Weights are Tensors too: frozen ones have no gradient and may be f32, f16 or bf16; trained ones are `real` with a gradient.
 * Index arrays given to ops are copied.
 */
#ifndef TENSOR_OPS_H
#define TENSOR_OPS_H

#include "tensor/tape.h"

/* A low-rank adapter (Hu et al. 2021): y += scale * (x A^T) B^T, scale = alpha / r. */
typedef struct Lora {
    Tensor a; /* [r, in] */
    Tensor b; /* [out, r] */
    double scale;
} Lora;

/* The adapters that a linear layer may carry; which one is in force is the tape's choice (tape_adapter). */
typedef enum Adapter { ADAPTER_NONE = -1, ADAPTER_POLICY, ADAPTER_VALUE, N_ADAPTERS } Adapter;

typedef struct Linear {
    Tensor weight;          /* [out, in] */
    Tensor bias;            /* [1, out], real; data NULL where the layer has none */
    Lora *lora[N_ADAPTERS]; /* borrowed; NULL where there is none */
} Linear;

/* A layer norm, or an RMS norm (Zhang and Sennrich 2019), which subtracts no mean and has no beta. */
typedef struct Norm {
    Tensor gamma, beta; /* [1, d], real; an empty beta: an RMS norm */
    double eps;
} Norm;

/* Which adapter linear layers apply from now on; ADAPTER_NONE in a new tape. Segments remember it. */
void tape_adapter(Tape *t, Adapter adapter);
Adapter tape_adapter_in_force(const Tape *t);

/*
 * Whether what follows is a step of decoding, one new row of each sequence: linear layers and attention then read weights, keys
 * and values where they lie, which suits few rows; their sums run in another order. Off in a new tape; never while recording.
 */
void tape_step(Tape *t, bool on);
bool tape_in_step(const Tape *t);

/* y[m, out] = x W^T + b + adapter. */
Tensor *op_linear(Tape *t, const Tensor *x, const Linear *layer);

/*
 * y = residual + x W^T + b + adapter: what x W^T + b is by itself nobody needs. residual is a result of this pass that no later
 * op reads: its gradient begins as y's, in the same memory. Not recorded, residual itself is y and leaves nothing on the stack.
 */
Tensor *op_linear_add_inplace(Tape *t, Tensor *residual, const Tensor *x, const Linear *layer);

/*
 * x through n layers of one size, their results below each other: rows i * m .. of y [n * m, out] are what op_linear gives of
 * layer i. Not inside of tape_checkpoint.
 */
Tensor *op_linears(Tape *t, const Tensor *x, const Linear *const *layers, size_t n);

/* Row-wise normalisation: layer norm (Ba et al. 2016), or RMS norm where the norm has no beta. */
Tensor *op_norm(Tape *t, const Tensor *x, const Norm *norm);

/* erf form. Nobody else reads x later: not recorded, x is overwritten and returned. */
Tensor *op_gelu_inplace(Tape *t, Tensor *x);
/* x / (1 + exp(-1.702 x)); likewise. */
Tensor *op_quick_gelu_inplace(Tape *t, Tensor *x);
/* x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))); likewise. */
Tensor *op_gelu_tanh_inplace(Tape *t, Tensor *x);
/* In place: x is overwritten and returned, its gradient later as well. Nobody else may have read x. */
Tensor *op_relu_inplace(Tape *t, Tensor *x);
Tensor *op_add(Tape *t, const Tensor *a, const Tensor *b);

/* silu(gate) up (Shazeer 2020). Nobody else reads gate later: not recorded, gate is overwritten and returned. */
Tensor *op_swiglu_inplace(Tape *t, Tensor *gate, const Tensor *up);

/*
 * Rotary positions (Su et al. 2021), as Hugging Face's LLaMa lays heads out: of each head of x [rows, heads * dim] the halves
 * turn together. angles [rows, dim], without a gradient: dim / 2 cosines, then as many sines. In place, as op_relu_inplace.
 */
Tensor *op_rotate_inplace(Tape *t, Tensor *x, const Tensor *angles);

/*
 * Multi-head attention over ragged sequences: q [.., d]; k, v [.., d]; out like q. Scale: head dimension ^ -0.5. Rows of q in no
 * span give zeros; rows of q are in at most one span, rows of k and v may be in several. Where k and v have fewer columns, they
 * have fewer heads, and each serves as many neighbouring heads of q (grouped queries, Ainslie et al. 2023).
 */
Tensor *op_attention(Tape *t, const Tensor *q, const Tensor *k, const Tensor *v, const Span *spans, size_t n_spans, size_t heads,
                     bool causal);

/* Rows of a table (any type): [n, cols]. Ids outside the table are a bug. */
Tensor *op_embed(Tape *t, const Tensor *table, const int32_t *ids, size_t n);

/* Rows picked from several matrices of the same width, in any order, repeats allowed: joining, selecting, spreading. */
Tensor *op_gather(Tape *t, const Tensor *const *sources, size_t n_sources, const RowRef *refs, size_t n);

/* The same values as [rows, cols], and the same gradient: a view of x. Not inside of tape_checkpoint. */
Tensor *op_reshape(Tape *t, Tensor *x, size_t rows, size_t cols);

/* [n, cols]: the mean of count[i] rows from first[i] on. */
Tensor *op_mean_rows(Tape *t, const Tensor *x, const size_t *first, const size_t *count, size_t n);

/* Rows of unit length. */
Tensor *op_normalise(Tape *t, const Tensor *x);

/*
 * logp [n, 1] of targets under softmax(x table^T + bias), x [n, d], table [vocabulary, d], bias [1, vocabulary] without a
 * gradient or NULL. Logits exist for a block of rows at a time; only a table with a gradient needs them again in the backward
 * pass. entropy: host array [n], or NULL.
 */
Tensor *op_token_logp(Tape *t, const Tensor *x, const Tensor *table, const Tensor *bias, const int32_t *targets, double *entropy);

/* The same, and the entropies as a result: *entropy [n, 1], whose gradient goes to x. The table is one that has none. */
Tensor *op_token_logp_entropy(Tape *t, const Tensor *x, const Tensor *table, const Tensor *bias, const int32_t *targets,
                              Tensor **entropy);

#endif
