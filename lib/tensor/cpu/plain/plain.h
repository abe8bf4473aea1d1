/*
 * The plain C kernels: what every other table is measured against, and what fills the slots that a faster table leaves alone.
 * Each file fills its own slots of a table; a variant for some processor starts from plain_fill and replaces what it does
 * better.
 */
#ifndef TENSOR_CPU_PLAIN_PLAIN_H
#define TENSOR_CPU_PLAIN_PLAIN_H

#include "tensor/cpu/parallel.h"
#include "tensor/kernels.h"

/* Every slot but name. compute: COMPUTE_F32 or COMPUTE_BF16 (emulated: inputs of products with 16-bit weights are rounded). */
void plain_fill(Kernels *k, Compute compute);

/* Each the slots of its file. */
void plain_memory_fill(Kernels *k);
void plain_matmul_fill(Kernels *k, Compute compute);
void plain_norm_fill(Kernels *k);
void plain_elementwise_fill(Kernels *k);
void plain_gated_fill(Kernels *k);
void plain_attention_fill(Kernels *k);
void plain_rows_fill(Kernels *k);
void plain_logits_fill(Kernels *k);
void plain_optimizer_fill(Kernels *k);
void plain_integers_fill(Kernels *k);

/* What the other tables share with the plain one. */

/* y[m,n] += x[m,k] w[n,k]^T, rows ldy, ldx and ldw values apart: each sum in one order whatever m and n are. */
void plain_dots(real *y, size_t ldy, const real *x, size_t ldx, const real *w, size_t ldw, size_t m, size_t n, size_t k);

/* Key rows that query i of a span sees of its own keys (not the prefix). */
static inline size_t span_visible(const Span *s, size_t i, bool causal)
{
    if (!causal)
        return s->nk;
    return s->nk + i + 1 > s->nq ? s->nk + i + 1 - s->nq : 0;
}

#endif
