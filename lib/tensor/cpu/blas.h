/*
 * The door to OpenBLAS: one product of matrices, on the calling thread only. Our own pool splits the work, so that parts are the
 * same from run to run and 16-bit weights can be expanded by whoever multiplies them.
 */
#ifndef TENSOR_CPU_BLAS_H
#define TENSOR_CPU_BLAS_H

#include "base/library.h"
#include "tensor/tensor.h"

/*
 * Loads OpenBLAS, once; call before the first product and after pool_init. At run time, because linked with a program it starts
 * its own threads before main can say that it shall not: threads that nobody needs, and that spin for ever, deaf to exit, where
 * there is no memory for their buffers. Dies with STATUS_MEMORY where there is none for the pool's.
 */
void blas_init(void);

/*
 * c[m,n] = alpha op(a)[m,k] op(b)[k,n] + beta c, rows lda, ldb and ldc values apart. ta: a is stored as [k,m]; tb: b is stored as
 * [n,k]. With beta 0 what c holds is not read.
 */
void blas_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b, size_t ldb,
               real beta, real *c, size_t ldc);

/* What it says of itself: its version, and the kind of processor that it computes for. After blas_init. */
Library blas_library(void);

#endif
