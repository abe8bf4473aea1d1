/*
 * The door to OpenBLAS: one product of matrices, on the calling thread only. Our own pool splits the work, so that parts are the
 * same from run to run and 16-bit weights can be expanded by whoever multiplies them.
 */
#ifndef TENSOR_CPU_BLAS_H
#define TENSOR_CPU_BLAS_H

#include "tensor/tensor.h"

/* Keeps OpenBLAS from starting threads; call before the first product. */
void blas_init(void);

/*
 * c[m,n] = alpha op(a)[m,k] op(b)[k,n] + beta c, rows lda, ldb and ldc values apart. ta: a is stored as [k,m]; tb: b is stored as
 * [n,k]. With beta 0 what c holds is not read.
 */
void blas_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b, size_t ldb,
               real beta, real *c, size_t ldc);

#endif
