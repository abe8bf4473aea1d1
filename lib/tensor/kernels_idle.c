/* Kernels that compute nothing; see kernels_idle.h. */
#include "tensor/kernels_idle.h"

#include <stdlib.h>
#include <string.h>

static IdleCounts counts;

void idle_reset(void)
{
    counts = (IdleCounts){0};
}

IdleCounts idle_counts(void)
{
    return counts;
}

/* Nothing is written to it, so what is large takes no memory. */
static void *idle_new(size_t bytes)
{
    void *p = aligned_alloc(64, (bytes + 63) / 64 * 64);
    if (!p)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", bytes);
    return p;
}

static void idle_move(void *dst, const void *src, size_t bytes)
{
    (void)dst, (void)src, (void)bytes;
}

static void idle_download(void *host, const void *src, size_t bytes)
{
    (void)src;
    memset(host, 0, bytes);
}

static void idle_zero(void *p, size_t bytes)
{
    (void)p, (void)bytes;
}

static const void *idle_weights(const void *host, size_t bytes)
{
    (void)bytes;
    return host;
}

static void count_factor(size_t m, size_t k)
{
    counts.largest_factor = m * k > counts.largest_factor ? m * k : counts.largest_factor;
}

static void idle_matmul(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                        size_t k)
{
    (void)y, (void)x, (void)type, (void)w, (void)bias, (void)add;
    counts.products += (double)m * (double)n * (double)k;
    count_factor(m, k);
}

static void idle_matmul_step(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                             size_t k)
{
    (void)y, (void)x, (void)w, (void)bias, (void)add;
    counts.step_products += (double)m * (double)n * (double)k;
    counts.step_bytes += (double)n * (double)k * (double)dtype_size(type);
    count_factor(m, k);
}

static void idle_matmul_dx(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    (void)dx, (void)dy, (void)type, (void)w;
    counts.products += (double)m * (double)n * (double)k;
    count_factor(m, n);
}

static void idle_matmul_dw(real *dw, const real *dy, const real *x, size_t m, size_t n, size_t k)
{
    (void)dw, (void)dy, (void)x;
    counts.products += (double)m * (double)n * (double)k;
}

static void idle_column_sums(real *db, const real *dy, size_t m, size_t n)
{
    (void)db, (void)dy, (void)m, (void)n;
}

static void idle_layernorm(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, double eps,
                           size_t rows, size_t cols)
{
    (void)y, (void)mean, (void)rstd, (void)x, (void)gamma, (void)beta, (void)eps, (void)rows, (void)cols;
}

static void idle_layernorm_backward(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                                    const real *rstd, const real *gamma, size_t rows, size_t cols)
{
    (void)dx, (void)dgamma, (void)dbeta, (void)dy, (void)x, (void)mean, (void)rstd, (void)gamma, (void)rows, (void)cols;
}

static void idle_rmsnorm(real *y, real *rstd, const real *x, const real *gamma, double eps, size_t rows, size_t cols)
{
    (void)y, (void)rstd, (void)x, (void)gamma, (void)eps, (void)rows, (void)cols;
}

static void idle_rmsnorm_backward(real *dx, real *dgamma, const real *dy, const real *x, const real *rstd, const real *gamma,
                                  size_t rows, size_t cols)
{
    (void)dx, (void)dgamma, (void)dy, (void)x, (void)rstd, (void)gamma, (void)rows, (void)cols;
}

static void idle_map(real *y, const real *x, size_t n)
{
    (void)y, (void)x, (void)n;
}

static void idle_map_backward(real *dx, const real *dy, const real *x, size_t n)
{
    (void)dx, (void)dy, (void)x, (void)n;
}

static void idle_swiglu_backward(real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n)
{
    (void)dgate, (void)dup, (void)dy, (void)gate, (void)up, (void)n;
}

static void idle_rotate(real *x, const real *angles, bool back, size_t rows, size_t heads, size_t dim)
{
    (void)x, (void)angles, (void)back, (void)rows, (void)heads, (void)dim;
}

static void idle_axpy(real *y, double alpha, const real *x, size_t n)
{
    (void)y, (void)alpha, (void)x, (void)n;
}

static void idle_axpy_rows(real *y, const real *alpha, const real *x, size_t rows, size_t cols)
{
    (void)y, (void)alpha, (void)x, (void)rows, (void)cols;
}

static void idle_attention(real *out, real *stats, const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    (void)out, (void)stats, (void)q, (void)k, (void)v, (void)shape;
}

static void idle_attention_backward(real *dq, real *dk, real *dv, const real *dout, const real *out, const real *stats,
                                    const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    (void)dq, (void)dk, (void)dv, (void)dout, (void)out, (void)stats, (void)q, (void)k, (void)v, (void)shape;
}

static void idle_embed(real *y, DType type, const void *table, const int32_t *ids, size_t n, size_t cols)
{
    (void)y, (void)type, (void)table, (void)ids, (void)n, (void)cols;
}

static void idle_embed_backward(real *dtable, const real *dy, const int32_t *ids, size_t n, size_t cols)
{
    (void)dtable, (void)dy, (void)ids, (void)n, (void)cols;
}

static void idle_gather(real *y, const real *const *sources, const RowRef *refs, size_t n, size_t cols)
{
    (void)y, (void)sources, (void)refs, (void)n, (void)cols;
}

static void idle_gather_backward(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols)
{
    (void)dsources, (void)dy, (void)refs, (void)n, (void)cols;
}

static void idle_scatter(real *dst, const real *src, const size_t *rows, size_t n, size_t cols)
{
    (void)dst, (void)src, (void)rows, (void)n, (void)cols;
}

static void idle_mean_rows(real *y, const real *x, const size_t *first, const size_t *count, size_t n, size_t cols)
{
    (void)y, (void)x, (void)first, (void)count, (void)n, (void)cols;
}

static void idle_normalise(real *y, real *norm, const real *x, size_t rows, size_t cols)
{
    (void)y, (void)norm, (void)x, (void)rows, (void)cols;
}

static void idle_normalise_backward(real *dx, const real *dy, const real *y, const real *norm, size_t rows, size_t cols)
{
    (void)dx, (void)dy, (void)y, (void)norm, (void)rows, (void)cols;
}

static void idle_token_logp(real *logp, real *lse, real *entropy, const real *logits, const int32_t *targets, size_t rows,
                            size_t cols)
{
    (void)logp, (void)lse, (void)entropy, (void)logits, (void)targets, (void)rows, (void)cols;
}

static void idle_token_logp_backward(real *dlogits, const real *dlogp, const real *logits, const real *lse,
                                     const int32_t *targets, size_t rows, size_t cols)
{
    (void)dlogits, (void)dlogp, (void)logits, (void)lse, (void)targets, (void)rows, (void)cols;
}

static void idle_entropy_backward(real *dlogits, const real *dentropy, const real *entropy, const real *logits, const real *lse,
                                  size_t rows, size_t cols)
{
    (void)dlogits, (void)dentropy, (void)entropy, (void)logits, (void)lse, (void)rows, (void)cols;
}

/* As if the last columns were by far the largest: no end of a caption is among them, and nobody needs more than these. */
static void idle_top_k(real *values, int32_t *ids, double *lse, const real *logits, size_t rows, size_t cols, size_t k)
{
    (void)logits;
    for (size_t i = 0; i < rows; i++) {
        lse[i] = 0;
        for (size_t j = 0; j < k; j++) {
            values[i * k + j] = (real)(-1 - (double)j);
            ids[i * k + j] = (int32_t)(j < cols ? cols - 1 - j : 0);
        }
    }
}

static double idle_sum_squares(const real *x, size_t n)
{
    (void)x, (void)n;
    return 0;
}

static void idle_scale(real *x, double factor, size_t n)
{
    (void)x, (void)factor, (void)n;
}

static void idle_adam(real *p, const real *grad, real *m, real *v, const AdamStep *step, size_t n)
{
    (void)p, (void)grad, (void)m, (void)v, (void)step, (void)n;
}

const Kernels *kernels_idle(void)
{
    static const Kernels table = {
        .name = "idle",
        .compute = COMPUTE_F32,
        .memory_new = idle_new,
        .memory_free = free,
        .upload = idle_move,
        .download = idle_download,
        .copy = idle_move,
        .zero = idle_zero,
        .weights = idle_weights,
        .matmul = idle_matmul,
        .matmul_step = idle_matmul_step,
        .matmul_dx = idle_matmul_dx,
        .matmul_dw = idle_matmul_dw,
        .column_sums = idle_column_sums,
        .layernorm = idle_layernorm,
        .layernorm_backward = idle_layernorm_backward,
        .rmsnorm = idle_rmsnorm,
        .rmsnorm_backward = idle_rmsnorm_backward,
        .gelu = idle_map,
        .gelu_backward = idle_map_backward,
        .quick_gelu = idle_map,
        .quick_gelu_backward = idle_map_backward,
        .gelu_tanh = idle_map,
        .gelu_tanh_backward = idle_map_backward,
        .relu = idle_map,
        .relu_backward = idle_map,
        .swiglu = idle_map_backward,
        .swiglu_backward = idle_swiglu_backward,
        .rotate = idle_rotate,
        .add = idle_map_backward,
        .axpy = idle_axpy,
        .axpy_rows = idle_axpy_rows,
        .attention = idle_attention,
        .attention_backward = idle_attention_backward,
        .embed = idle_embed,
        .embed_backward = idle_embed_backward,
        .gather = idle_gather,
        .gather_backward = idle_gather_backward,
        .scatter = idle_scatter,
        .mean_rows = idle_mean_rows,
        .mean_rows_backward = idle_mean_rows,
        .normalise = idle_normalise,
        .normalise_backward = idle_normalise_backward,
        .token_logp = idle_token_logp,
        .token_logp_backward = idle_token_logp_backward,
        .entropy_backward = idle_entropy_backward,
        .top_k = idle_top_k,
        .sum_squares = idle_sum_squares,
        .clamp = idle_scale,
        .scale = idle_scale,
        .adam = idle_adam,
    };
    return &table;
}
