/*
 * The pre-norm transformer block that EVA's ViT, CLIP's two towers and the language models share:
 *
 *   x += out(attention(q, k, v of norm1 x));  x += fc2(activation(fc1(norm2 x)))
 *
 * SwiGLU has two layers up: fc2(silu(gate(norm2 x)) fc1(norm2 x)). k and v may have fewer heads than q (op_attention).
 */
#ifndef MODELS_BLOCK_H
#define MODELS_BLOCK_H

#include "models/bind.h"

typedef enum Activation {
    ACTIVATION_GELU,
    ACTIVATION_RELU,
    ACTIVATION_SWIGLU,
    ACTIVATION_QUICK_GELU,
    ACTIVATION_GELU_TANH
} Activation;

typedef struct Block {
    Norm norm1, norm2;
    Linear q, k, v, out, fc1, fc2, gate; /* gate: with SwiGLU alone */
} Block;

/* Binds a block under the names of CLIP and SigLIP: NAME.layer_norm1, NAME.self_attn.q_proj, .., NAME.mlp.fc2. */
void block_bind(Block *x, Binder *b, size_t hidden, size_t mlp, double eps, const char *name);

/* The activation of one layer up (all but SwiGLU, which has two). Nobody else reads x later: as op_gelu_inplace. */
Tensor *activate_inplace(Tape *t, Activation activation, Tensor *x);

/* What is the same for every block of one forward pass. Lives on the tape while it records. */
typedef struct BlockPass {
    const Span *spans; /* borrowed: must live until the backward pass */
    size_t n_spans, heads;
    bool causal;
    Activation activation;
    Tensor *angles;       /* of x's rows, as op_rotate_inplace reads them; NULL without rotary positions */
    const RowRef *wanted; /* borrowed likewise: rows of x (source 0) whose results are wanted, NULL for all; the others give */
    size_t n_wanted;      /* but keys and values. Spans count queries among these */
    const Tensor *images; /* what lm_memory gives, for layers that attend to it; NULL: none do */
    const Span *cross;    /* [n_spans], borrowed likewise: the queries of `spans` over a layer's keys and values of an image */
} BlockPass;

/* The wanted ones of rows x, or all. */
Tensor *block_wanted(Tape *t, const BlockPass *pass, Tensor *x);

/* x [rows, d] to [rows, d], or to [n_wanted, d]; one tape_checkpoint. */
Tensor *block_forward(Tape *t, const Block *block, const BlockPass *pass, Tensor *x);

/*
 * The same with a cache: the new rows' keys and values first go to rows `at` of cache_k and cache_v, over which the spans speak.
 * Not recorded.
 */
Tensor *block_cached(Tape *t, const Block *block, const BlockPass *pass, Tensor *x, Tensor *cache_k, Tensor *cache_v,
                     const size_t *at);

#endif
