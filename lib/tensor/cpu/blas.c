/* The door to OpenBLAS; see blas.h. */
#include "tensor/cpu/blas.h"

#include <cblas.h>

void blas_init(void)
{
    openblas_set_num_threads(1);
}

void blas_gemm(bool ta, bool tb, size_t m, size_t n, size_t k, real alpha, const real *a, size_t lda, const real *b, size_t ldb,
               real beta, real *c, size_t ldc)
{
    if (m == 0 || n == 0)
        return;
#ifdef VLRM_DOUBLE
    cblas_dgemm(
#else
    cblas_sgemm(
#endif
        CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans, (blasint)m, (blasint)n, (blasint)k, alpha,
        a, (blasint)lda, b, (blasint)ldb, beta, c, (blasint)ldc);
}
