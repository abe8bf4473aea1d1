/*
 * The slots of products, over dot_vec.h and gemm_vec.h. Included after vec_*.h and terms_*.h; `compute` says what inputs of
 * products with 16-bit weights become.
 *
 * Which of the two a product goes to is settled by its slot and by the shape of its weights, never by the number of its rows:
 * their sums run in different orders.
 */
#ifndef TENSOR_CPU_VEC_MATMUL_VEC_H
#define TENSOR_CPU_VEC_MATMUL_VEC_H

#include "tensor/cpu/vec/dot_vec.h"
#include "tensor/cpu/vec/gemm_vec.h"

enum {
    DOT_MOST_ROWS = 64,   /* at a time: their inputs stay in the second cache, 1024 terms of each */
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
    size_t at = part * INPUT_PART, n = size_min(INPUT_PART, job->n - at);
    input_convert(job->to + at, job->from + at, n);
}

/* The left factor rounded to bf16, in scratch. */
static const Input *inputs_rounded(const float *x, size_t n)
{
    InputJob job = {scratch(SCRATCH_INPUT, n * sizeof(Input)), x, n};
    pool_run(input_part, &job, (n + INPUT_PART - 1) / INPUT_PART);
    return job.to;
}

/* Rows are dealt to blocks of nearly equal height. */
static void product_where_weights_lie(const Dot *whole)
{
    size_t m = whole->m, blocks = (m + DOT_MOST_ROWS - 1) / DOT_MOST_ROWS;
    for (size_t b = 0; b < blocks; b++) {
        size_t from = b * m / blocks;
        Dot d = *whole;
        d.m = (b + 1) * m / blocks - from;
        d.x += from * d.k;
        d.y += from * d.n;
        dot_product(&d);
    }
}

/* step: as matmul_step has it. */
INLINE void product_forward(bool step, float *y, const Input *x, Weight kind, const void *w, const float *bias, bool add,
                            size_t m, size_t n, size_t k)
{
    if (step || n <= DOT_MOST_COLUMNS)
        product_where_weights_lie(&(Dot){.y = y, .x = x, .w = w, .bias = bias, .add = add, .m = m, .n = n, .k = k, .kind = kind});
    else
        gemm_product(&(Gemm){.c = y,
                             .bias = bias,
                             .add = add,
                             .a = x,
                             .b = w,
                             .lda = k,
                             .ldb = k,
                             .kind = kind,
                             .b_transposed = true,
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
