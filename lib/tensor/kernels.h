/*
 * The table of kernels: the only code that touches a tensor's data. One table per device and instruction set; ops never ask
 * which.
 *
 * Slots named *_backward add (+=) to the gradients they are given; a NULL gradient is not computed.
 * Every matrix is contiguous and row-major. Index arrays (spans, ids, row references) are host memory in every table.
 * Results do not depend on timing, and for one thread count they are the same to the last bit from run to run.
 *
 * Rows do not depend on one another: on a CPU a row of a product, and a query of an attention, is the same to the last bit
 * however many others there are, whatever they hold, on any number of threads. So a caption does not depend on its batch, nor a
 * reward. Each slot has one order of sums; those of one step of decoding (matmul_step, AttentionShape.step) have another than
 * those of whole sequences, so the caller chooses, by what is computed and never by how much of it. The same holds of matmul_dx,
 * but for the plain table; sums over rows (matmul_dw) depend on the rows. CUDA's tables promise this of products of up to 64
 * rows.
 */
#ifndef TENSOR_KERNELS_H
#define TENSOR_KERNELS_H

#include "tensor/tensor.h"

/* How products with frozen weights stored in 16 bits are computed; those stored in f32 always compute in f32. */
typedef enum Compute {
    COMPUTE_AUTO, /* bf16 inputs and f32 sums where the processor multiplies bf16 natively, else f32 */
    COMPUTE_F32,
    COMPUTE_BF16, /* as asked, even where it must be emulated */
} Compute;

/*
 * One sequence's share of an attention: queries q .. q+nq-1, against keys prefix .. prefix+n_prefix-1 followed by k .. k+nk-1
 * (rows of the key and value matrices). Causal: query i sees the whole prefix and the first nk - nq + i + 1 of its own keys.
 * The prefix lets several captions of one image share their prompt; n_prefix is 0 for everybody else.
 */
typedef struct Span {
    size_t q, nq;
    size_t prefix, n_prefix;
    size_t k, nk;
} Span;

/* One row of one of several sources. */
typedef struct RowRef {
    uint32_t source, row;
} RowRef;

typedef struct AttentionShape {
    const Span *spans;
    size_t n_spans;
    size_t heads, cols; /* cols = heads * head dimension, of q, k, v and out */
    size_t q_rows;      /* rows of q and out; rows in no span give zeros */
    double scale;       /* of q . k before the softmax: head dimension ^ -0.5 */
    bool causal;
    bool step; /* each query is its sequence's only new row: keys and values are read where they lie */
} AttentionShape;

/* Adam (Kingma and Ba 2015, as torch.optim.Adam): m/(1-b1^s) / (sqrt(v/(1-b2^s)) + eps). */
typedef struct AdamStep {
    double learning_rate, beta1, beta2, eps, weight_decay; /* weight_decay: decoupled (AdamW); 0 for Adam */
    int64_t step;                                          /* from 1 */
} AdamStep;

/* The types of products with weights: y = x w^T (+ bias) (+ y), and dx += dy w. Slots below say more. */
typedef void Matmul(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n, size_t k);
typedef void MatmulDx(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k);

typedef struct Kernels {
    const char *name; /* "plain", "avx2", "avx512", "avx512bf16", "amx", "cuda" */
    Compute compute;  /* COMPUTE_F32 or COMPUTE_BF16: what AUTO came to */

    /* Memory of the device. On a CPU these are aligned_alloc, memcpy and the identity. */
    void *(*memory_new)(size_t bytes); /* 64-byte aligned; dies with STATUS_MEMORY */
    void (*memory_free)(void *p);
    void (*upload)(void *dst, const void *host, size_t bytes);
    void (*download)(void *host, const void *src, size_t bytes);
    void (*copy)(void *dst, const void *src, size_t bytes); /* within the device */
    void (*zero)(void *p, size_t bytes);
    const void *(*weights)(const void *host, size_t bytes); /* where a kernel can read mapped weights */

    /* y[m,n] = x[m,k] w[n,k]^T (+ bias[n], may be NULL) (+ y when add). The forward of a linear layer. */
    Matmul *matmul;
    /* The same for a step of decoding: the few rows meet weights where they lie. Its sums may run in another order. */
    Matmul *matmul_step;
    /* dx[m,k] += dy[m,n] w[n,k]. */
    MatmulDx *matmul_dx;
    /* dw[n,k] += dy[m,n]^T x[m,k]. */
    void (*matmul_dw)(real *dw, const real *dy, const real *x, size_t m, size_t n, size_t k);
    /* db[n] += column sums of dy[m,n]. */
    void (*column_sums)(real *db, const real *dy, size_t m, size_t n);

    /* y = (x - mean) * rstd * gamma + beta by rows; mean and rstd [rows] are written (two passes, double sums). */
    void (*layernorm)(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, double eps,
                      size_t rows, size_t cols);
    void (*layernorm_backward)(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                               const real *rstd, const real *gamma, size_t rows, size_t cols);

    /* y = x * rstd * gamma by rows, rstd = 1 / sqrt(mean of x^2 + eps) (sums in double); rstd [rows] is written. */
    void (*rmsnorm)(real *y, real *rstd, const real *x, const real *gamma, double eps, size_t rows, size_t cols);
    void (*rmsnorm_backward)(real *dx, real *dgamma, const real *dy, const real *x, const real *rstd, const real *gamma,
                             size_t rows, size_t cols);

    /* gelu(x) = x/2 (1 + erf(x / sqrt 2)); relu. y may be x. */
    void (*gelu)(real *y, const real *x, size_t n);
    void (*gelu_backward)(real *dx, const real *dy, const real *x, size_t n);
    /* quick_gelu(x) = x / (1 + exp(-1.702 x)), what OpenAI's CLIPs were trained with. y may be x. */
    void (*quick_gelu)(real *y, const real *x, size_t n);
    void (*quick_gelu_backward)(real *dx, const real *dy, const real *x, size_t n);
    /* gelu_tanh(x) = x/2 (1 + tanh(sqrt(2/pi) (x + 0.044715 x^3))) (Hendrycks, Gimpel 2016): SigLIP's. y may be x. */
    void (*gelu_tanh)(real *y, const real *x, size_t n);
    void (*gelu_tanh_backward)(real *dx, const real *dy, const real *x, size_t n);
    void (*relu)(real *y, const real *x, size_t n);
    void (*relu_backward)(real *dy, const real *y, size_t n); /* in place: dy becomes dx; y: the output */

    /* y = silu(gate) up, silu(x) = x / (1 + e^-x); y may be gate. backward adds. */
    void (*swiglu)(real *y, const real *gate, const real *up, size_t n);
    void (*swiglu_backward)(real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n);
    /*
     * In place: turns the heads of each row, halves a and b of `dim` values, to (a cos - b sin, b cos + a sin); angles [rows,
     * dim]: of a row dim / 2 cosines, then as many sines. back: the other way, which is its gradient.
     */
    void (*rotate)(real *x, const real *angles, bool back, size_t rows, size_t heads, size_t dim);

    void (*add)(real *y, const real *a, const real *b, size_t n); /* y = a + b; y may be a or b */
    void (*axpy)(real *y, double alpha, const real *x, size_t n); /* y += alpha x */
    /* y[i] += alpha[i] x[i] by rows; alpha [rows] in the table's memory. */
    void (*axpy_rows)(real *y, const real *alpha, const real *x, size_t rows, size_t cols);

    /*
     * out = softmax(scale q k^T) v by span and head. stats [q_rows, heads, 2] keeps the maximum and the sum of exponentials
     * for the backward pass (NULL: not kept).
     */
    void (*attention)(real *out, real *stats, const real *q, const real *k, const real *v, const AttentionShape *shape);
    void (*attention_backward)(real *dq, real *dk, real *dv, const real *dout, const real *out, const real *stats, const real *q,
                               const real *k, const real *v, const AttentionShape *shape);

    /* y[i] = table[ids[i]] (table of any type, [.., cols]); backward adds rows of dy to dtable. */
    void (*embed)(real *y, DType type, const void *table, const int32_t *ids, size_t n, size_t cols);
    void (*embed_backward)(real *dtable, const real *dy, const int32_t *ids, size_t n, size_t cols);

    /* y[i] = sources[refs[i].source][refs[i].row]; backward adds. A NULL dsource is skipped. */
    void (*gather)(real *y, const real *const *sources, const RowRef *refs, size_t n, size_t cols);
    void (*gather_backward)(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols);
    /* dst[rows[i]] = src[i], no row twice: new keys and values into a cache. */
    void (*scatter)(real *dst, const real *src, const size_t *rows, size_t n, size_t cols);

    /* y[i] = mean of rows first[i] .. first[i]+count[i]-1 of x. */
    void (*mean_rows)(real *y, const real *x, const size_t *first, const size_t *count, size_t n, size_t cols);
    void (*mean_rows_backward)(real *dx, const real *dy, const size_t *first, const size_t *count, size_t n, size_t cols);

    /* y = x / |x| by rows (norm [rows] kept). */
    void (*normalise)(real *y, real *norm, const real *x, size_t rows, size_t cols);
    void (*normalise_backward)(real *dx, const real *dy, const real *y, const real *norm, size_t rows, size_t cols);

    /*
     * Of logits [rows, cols]: logp[i] = log softmax(logits[i])[targets[i]]; lse[i] = log of the sum of exponentials; entropy[i]
     * of the softmax (entropy may be NULL). Sums in double.
     */
    void (*token_logp)(real *logp, real *lse, real *entropy, const real *logits, const int32_t *targets, size_t rows,
                       size_t cols);
    /* dlogits[i] = dlogp[i] * (onehot(targets[i]) - softmax(logits[i])): overwrites; dlogits may be logits. */
    void (*token_logp_backward)(real *dlogits, const real *dlogp, const real *logits, const real *lse, const int32_t *targets,
                                size_t rows, size_t cols);
    /* dlogits[i] = -dentropy[i] p (log p + entropy[i]), p = softmax(logits[i]): overwrites; dlogits may be logits. */
    void (*entropy_backward)(real *dlogits, const real *dentropy, const real *entropy, const real *logits, const real *lse,
                             size_t rows, size_t cols);

    /*
     * Of logits [rows, cols], into HOST memory in every table: values and ids [rows, k] are the k largest of each row, largest
     * first, of equals the lower id first; lse[i] = log of the sum of exponentials of row i (sums in double). NaN is never among
     * them; places left over hold -INFINITY and id 0.
     */
    void (*top_k)(real *values, int32_t *ids, double *lse, const real *logits, size_t rows, size_t cols, size_t k);

    /* Optimizer. */
    double (*sum_squares)(const real *x, size_t n);
    void (*clamp)(real *x, double limit, size_t n); /* to [-limit, limit]; NaN stays NaN */
    void (*scale)(real *x, double factor, size_t n);
    void (*adam)(real *p, const real *grad, real *m, real *v, const AdamStep *step, size_t n);

    /*
     * Sums as integers, which have no order: sums += llrint(x INTEGERS_SCALE). Where |x| is INTEGERS_RANGE or more, x is no
     * number, or |sum| would be above most, the sum stays, and *worst (of the table's memory, as the arrays are) becomes what
     * does not fit.
     */
    void (*integers_add)(int64_t *sums, const real *x, size_t n, int64_t most, double *worst);
    void (*integers_get)(real *x, const int64_t *sums, size_t n); /* x = sums / INTEGERS_SCALE */

    /* Whether all that was asked for is done; does not wait. On a CPU it always is. */
    bool (*idle)(void);
} Kernels;

#define INTEGERS_SCALE 0x1p50
#define INTEGERS_RANGE 0x1p13

/* Waits until all that was asked for is done: p is some matrix of the table's. For clocks; nothing else needs it. */
static inline void kernels_wait(const Kernels *k, const real *p)
{
    real one;
    k->download(&one, p, sizeof one);
}

/*
 * The best CPU table for this processor. VLRM_CPU=plain|avx2|avx512|avx512bf16|amx forces a lower one (dies, naming what the
 * processor lacks, if it has not got it). In the double build always the plain one.
 */
const Kernels *kernels_cpu(Compute compute);

/*
 * Every CPU table that this processor can run, for tests: plain first (f32, bf16), the best last; and AMX's products over
 * emulated tiles. Returns the count, at most `max`.
 */
size_t kernels_cpu_all(const Kernels **tables, size_t max);

/* The CUDA table for device n; false with err set where this build or machine has none. */
MUST_USE bool kernels_cuda(int device, Compute compute, const Kernels **out, Error *err);

/* The bus address of the CUDA device that is in use, as no other of the machine has it; "" where none is. Borrowed. */
const char *kernels_cuda_address(void);

/* --device "cpu", "cuda" or "cuda:N" to a table. */
MUST_USE bool kernels_find(const char *device, Compute compute, const Kernels **out, Error *err);

#endif
