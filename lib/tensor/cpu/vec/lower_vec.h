/*
 * The table that a file of products is laid over: its slots, for weights that the file's own products do not read. And a product
 * as a pair of slots: the whole one, and a step's.
 */
#ifndef TENSOR_CPU_VEC_LOWER_VEC_H
#define TENSOR_CPU_VEC_LOWER_VEC_H

#include "tensor/kernels.h"

static Matmul *lower_matmul[2]; /* matmul, matmul_step */
static MatmulDx *lower_matmul_dx;

/* Keeps what t has. */
INLINE void lower_take(const Kernels *t)
{
    lower_matmul[false] = t->matmul;
    lower_matmul[true] = t->matmul_step;
    lower_matmul_dx = t->matmul_dx;
}

/* The slots matmul_NAME and matmul_step_NAME of NAME_product, which takes `step` and then a Matmul's arguments. */
#define MATMUL_PAIR(NAME)                                                                                                        \
    static void matmul_##NAME(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n, \
                              size_t k)                                                                                          \
    {                                                                                                                            \
        NAME##_product(false, y, x, type, w, bias, add, m, n, k);                                                                \
    }                                                                                                                            \
    static void matmul_step_##NAME(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m,      \
                                   size_t n, size_t k)                                                                           \
    {                                                                                                                            \
        NAME##_product(true, y, x, type, w, bias, add, m, n, k);                                                                 \
    }

#endif
