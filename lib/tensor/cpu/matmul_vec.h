/*
 * The slots of products, over dot_vec.h and gemm_vec.h. Included after vec_*.h and terms_*.h; `compute` says what inputs of
 * products with 16-bit weights become.
 */
#ifndef TENSOR_CPU_MATMUL_VEC_H
#define TENSOR_CPU_MATMUL_VEC_H

#include "tensor/cpu/dot_vec.h"
#include "tensor/cpu/gemm_vec.h"

enum {
    DOT_MOST_ROWS = 64,   /* rows of a product do not depend on one another up to here; about where packing pays, too */
    DOT_MOST_COLUMNS = 8, /* a panel of the packed product would be mostly padding */
    INPUT_PART = 1 << 15, /* values converted in one part */
};

typedef struct InputJob {
    Input *to;
    const float *from;
    size_t n;
} InputJob;

static void input_part(void *context, size_t part)
{
    const InputJob *job = context;
    size_t at = part * INPUT_PART, n = gemm_least(INPUT_PART, job->n - at);
    input_convert(job->to + at, job->from + at, n);
}

/* The left factor rounded to bf16, in scratch. */
static const Input *inputs_rounded(const float *x, size_t n)
{
    InputJob job = {scratch(SCRATCH_INPUT, n * sizeof(Input)), x, n};
    pool_run(input_part, &job, (n + INPUT_PART - 1) / INPUT_PART);
    return job.to;
}

INLINE void product_forward(float *y, const Input *x, Weight kind, const void *w, const float *bias, bool add, size_t m, size_t n,
                            size_t k)
{
    if (m <= DOT_MOST_ROWS || n <= DOT_MOST_COLUMNS)
        dot_product(&(Dot){.y = y, .x = x, .w = w, .bias = bias, .add = add, .m = m, .n = n, .k = k, .kind = kind});
    else
        gemm_product(&(Gemm){.c = y,
                             .bias = bias,
                             .add = add,
                             .a = x,
                             .b = w,
                             .lda = k,
                             .ldb = k,
                             .kind = kind,
                             .b_turned = true,
                             .m = m,
                             .n = n,
                             .depth = k});
}

/* dx[m,k] += dy[m,n] w[n,k]: the forward was y = x w^T. */
INLINE void product_dx(float *dx, const Input *dy, Weight kind, const void *w, size_t m, size_t n, size_t k)
{
    gemm_product(&(Gemm){.c = dx, .add = true, .a = dy, .b = w, .lda = n, .ldb = k, .kind = kind, .m = m, .n = k, .depth = n});
}

#endif
