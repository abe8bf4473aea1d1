/*
 * A table whose slots take host memory and compute on a device: every matrix of a call is sent there with sentinels behind it,
 * and what the call may write comes back. So the tests of tables are the same for a device as for a processor. Over the plain
 * table it must change nothing, which is how it is tested itself.
 */
#ifndef TESTS_OPS_MIRROR_H
#define TESTS_OPS_MIRROR_H

#include "tensor/kernels.h"

enum { MAX_MIRRORED = 16, GUARD = 128 };

static const Kernels *device; /* under the mirror */

/* The matrices of the call in progress. */
static struct {
    void *host, *copy;
    size_t bytes;
    bool out;
} mirrored[MAX_MIRRORED];
static size_t n_mirrored;

static size_t mirror_index(const void *host, size_t bytes)
{
    for (size_t i = 0; i < n_mirrored; i++)
        if (mirrored[i].host == host && mirrored[i].bytes == bytes)
            return i; /* a result in the place of an argument */
    assert_true(n_mirrored < MAX_MIRRORED);
    unsigned char guard[GUARD];
    memset(guard, 0xa5, GUARD);
    unsigned char *copy = device->memory_new(bytes + GUARD);
    device->upload(copy, host, bytes);
    device->upload(copy + bytes, guard, GUARD);
    mirrored[n_mirrored].host = (void *)(uintptr_t)host;
    mirrored[n_mirrored].copy = copy;
    mirrored[n_mirrored].bytes = bytes;
    mirrored[n_mirrored].out = false;
    return n_mirrored++;
}

/* Where the device finds n values that it reads. NULL stays NULL. */
static const real *in(const real *host, size_t n)
{
    return host ? mirrored[mirror_index(host, n * sizeof *host)].copy : NULL;
}

/* The same for values that it writes. */
static real *out(real *host, size_t n)
{
    if (!host)
        return NULL;
    size_t i = mirror_index(host, n * sizeof *host);
    mirrored[i].out = true;
    return mirrored[i].copy;
}

static const void *stored(DType type, const void *w, size_t n)
{
    return device->weights(w, n * dtype_size(type));
}

/* The end of a call: results come back. */
static void back(void)
{
    for (size_t i = 0; i < n_mirrored; i++) {
        unsigned char guard[GUARD], *copy = mirrored[i].copy;
        device->download(guard, copy + mirrored[i].bytes, GUARD);
        for (size_t j = 0; j < GUARD; j++)
            if (guard[j] != 0xa5)
                fail_msg("%s: wrote behind %zu bytes", device->name, mirrored[i].bytes);
        if (mirrored[i].out)
            device->download(mirrored[i].host, copy, mirrored[i].bytes);
        device->memory_free(copy);
    }
    n_mirrored = 0;
}

static void mirror_matmul(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                          size_t k)
{
    device->matmul(out(y, m * n), in(x, m * k), type, stored(type, w, n * k), in(bias, n), add, m, n, k);
    back();
}

static void mirror_matmul_step(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                               size_t k)
{
    device->matmul_step(out(y, m * n), in(x, m * k), type, stored(type, w, n * k), in(bias, n), add, m, n, k);
    back();
}

static void mirror_matmul_dx(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    device->matmul_dx(out(dx, m * k), in(dy, m * n), type, stored(type, w, n * k), m, n, k);
    back();
}

static void mirror_matmul_dw(real *dw, const real *dy, const real *x, size_t m, size_t n, size_t k)
{
    device->matmul_dw(out(dw, n * k), in(dy, m * n), in(x, m * k), m, n, k);
    back();
}

static void mirror_column_sums(real *db, const real *dy, size_t m, size_t n)
{
    device->column_sums(out(db, n), in(dy, m * n), m, n);
    back();
}

static void mirror_layernorm(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, double eps,
                             size_t rows, size_t cols)
{
    size_t n = rows * cols;
    device->layernorm(out(y, n), out(mean, rows), out(rstd, rows), in(x, n), in(gamma, cols), in(beta, cols), eps, rows, cols);
    back();
}

static void mirror_layernorm_backward(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                                      const real *rstd, const real *gamma, size_t rows, size_t cols)
{
    size_t n = rows * cols;
    device->layernorm_backward(out(dx, n), out(dgamma, cols), out(dbeta, cols), in(dy, n), in(x, n), in(mean, rows),
                               in(rstd, rows), in(gamma, cols), rows, cols);
    back();
}

static void mirror_rmsnorm(real *y, real *rstd, const real *x, const real *gamma, double eps, size_t rows, size_t cols)
{
    device->rmsnorm(out(y, rows * cols), out(rstd, rows), in(x, rows * cols), in(gamma, cols), eps, rows, cols);
    back();
}

static void mirror_rmsnorm_backward(real *dx, real *dgamma, const real *dy, const real *x, const real *rstd, const real *gamma,
                                    size_t rows, size_t cols)
{
    size_t n = rows * cols;
    device->rmsnorm_backward(out(dx, n), out(dgamma, cols), in(dy, n), in(x, n), in(rstd, rows), in(gamma, cols), rows, cols);
    back();
}

static void mirror_swiglu(real *y, const real *gate, const real *up, size_t n)
{
    device->swiglu(out(y, n), in(gate, n), in(up, n), n);
    back();
}

static void mirror_swiglu_backward(real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n)
{
    device->swiglu_backward(out(dgate, n), out(dup, n), in(dy, n), in(gate, n), in(up, n), n);
    back();
}

static void mirror_rotate(real *x, const real *angles, bool reverse, size_t rows, size_t heads, size_t dim)
{
    device->rotate(out(x, rows * heads * dim), in(angles, rows * dim), reverse, rows, heads, dim);
    back();
}

static void mirror_normalise(real *y, real *norm, const real *x, size_t rows, size_t cols)
{
    device->normalise(out(y, rows * cols), out(norm, rows), in(x, rows * cols), rows, cols);
    back();
}

static void mirror_normalise_backward(real *dx, const real *dy, const real *y, const real *norm, size_t rows, size_t cols)
{
    size_t n = rows * cols;
    device->normalise_backward(out(dx, n), in(dy, n), in(y, n), in(norm, rows), rows, cols);
    back();
}

static void mirror_gelu(real *y, const real *x, size_t n)
{
    device->gelu(out(y, n), in(x, n), n);
    back();
}

static void mirror_gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    device->gelu_backward(out(dx, n), in(dy, n), in(x, n), n);
    back();
}

static void mirror_quick_gelu(real *y, const real *x, size_t n)
{
    device->quick_gelu(out(y, n), in(x, n), n);
    back();
}

static void mirror_quick_gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    device->quick_gelu_backward(out(dx, n), in(dy, n), in(x, n), n);
    back();
}

static void mirror_gelu_tanh(real *y, const real *x, size_t n)
{
    device->gelu_tanh(out(y, n), in(x, n), n);
    back();
}

static void mirror_gelu_tanh_backward(real *dx, const real *dy, const real *x, size_t n)
{
    device->gelu_tanh_backward(out(dx, n), in(dy, n), in(x, n), n);
    back();
}

static void mirror_relu(real *y, const real *x, size_t n)
{
    device->relu(out(y, n), in(x, n), n);
    back();
}

static void mirror_relu_backward(real *dy, const real *y, size_t n)
{
    device->relu_backward(out(dy, n), in(y, n), n);
    back();
}

static void mirror_add(real *y, const real *a, const real *b, size_t n)
{
    device->add(out(y, n), in(a, n), in(b, n), n);
    back();
}

static void mirror_axpy(real *y, double alpha, const real *x, size_t n)
{
    device->axpy(out(y, n), alpha, in(x, n), n);
    back();
}

static void mirror_axpy_rows(real *y, const real *alpha, const real *x, size_t rows, size_t cols)
{
    device->axpy_rows(out(y, rows * cols), in(alpha, rows), in(x, rows * cols), rows, cols);
    back();
}

/* Rows of keys and values that the spans have. */
static size_t mirror_key_rows(const AttentionShape *shape)
{
    size_t rows = 0;
    for (size_t i = 0; i < shape->n_spans; i++) {
        const Span *s = &shape->spans[i];
        rows = s->prefix + s->n_prefix > rows ? s->prefix + s->n_prefix : rows;
        rows = s->k + s->nk > rows ? s->k + s->nk : rows;
    }
    return rows;
}

static void mirror_attention(real *y, real *stats, const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    size_t nq = shape->q_rows * shape->cols, nk = mirror_key_rows(shape) * shape->cols;
    device->attention(out(y, nq), out(stats, shape->q_rows * shape->heads * 2), in(q, nq), in(k, nk), in(v, nk), shape);
    back();
}

static void mirror_attention_backward(real *dq, real *dk, real *dv, const real *dy, const real *y, const real *stats,
                                      const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    size_t nq = shape->q_rows * shape->cols, nk = mirror_key_rows(shape) * shape->cols;
    device->attention_backward(out(dq, nq), out(dk, nk), out(dv, nk), in(dy, nq), in(y, nq),
                               in(stats, shape->q_rows * shape->heads * 2), in(q, nq), in(k, nk), in(v, nk), shape);
    back();
}

static size_t mirror_ids_end(const int32_t *ids, size_t n)
{
    size_t end = 0;
    for (size_t i = 0; i < n; i++)
        end = (size_t)ids[i] >= end ? (size_t)ids[i] + 1 : end;
    return end;
}

static void mirror_embed(real *y, DType type, const void *table, const int32_t *ids, size_t n, size_t cols)
{
    device->embed(out(y, n * cols), type, stored(type, table, mirror_ids_end(ids, n) * cols), ids, n, cols);
    back();
}

static void mirror_embed_backward(real *dtable, const real *dy, const int32_t *ids, size_t n, size_t cols)
{
    device->embed_backward(out(dtable, mirror_ids_end(ids, n) * cols), in(dy, n * cols), ids, n, cols);
    back();
}

/* Rows of one source that are asked for, from 0 on. */
static size_t mirror_source_rows(uint32_t source, const RowRef *refs, size_t n)
{
    size_t rows = 0;
    for (size_t i = 0; i < n; i++)
        rows = refs[i].source == source && refs[i].row >= rows ? (size_t)refs[i].row + 1 : rows;
    return rows;
}

static void mirror_gather(real *y, const real *const *sources, const RowRef *refs, size_t n, size_t cols)
{
    const real *copies[MAX_MIRRORED] = {0};
    for (size_t i = 0; i < n; i++)
        copies[refs[i].source] = in(sources[refs[i].source], mirror_source_rows(refs[i].source, refs, n) * cols);
    device->gather(out(y, n * cols), copies, refs, n, cols);
    back();
}

static void mirror_gather_backward(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols)
{
    real *copies[MAX_MIRRORED] = {0};
    for (size_t i = 0; i < n; i++)
        copies[refs[i].source] = out(dsources[refs[i].source], mirror_source_rows(refs[i].source, refs, n) * cols);
    device->gather_backward(copies, in(dy, n * cols), refs, n, cols);
    back();
}

static void mirror_scatter(real *dst, const real *src, const size_t *rows, size_t n, size_t cols)
{
    size_t end = 0;
    for (size_t i = 0; i < n; i++)
        end = rows[i] >= end ? rows[i] + 1 : end;
    device->scatter(out(dst, end * cols), in(src, n * cols), rows, n, cols);
    back();
}

static size_t mirror_ranges_end(const size_t *first, const size_t *count, size_t n)
{
    size_t end = 0;
    for (size_t i = 0; i < n; i++)
        end = first[i] + count[i] > end ? first[i] + count[i] : end;
    return end;
}

static void mirror_mean_rows(real *y, const real *x, const size_t *first, const size_t *count, size_t n, size_t cols)
{
    device->mean_rows(out(y, n * cols), in(x, mirror_ranges_end(first, count, n) * cols), first, count, n, cols);
    back();
}

static void mirror_mean_rows_backward(real *dx, const real *dy, const size_t *first, const size_t *count, size_t n, size_t cols)
{
    device->mean_rows_backward(out(dx, mirror_ranges_end(first, count, n) * cols), in(dy, n * cols), first, count, n, cols);
    back();
}

static void mirror_token_logp(real *logp, real *lse, real *entropy, const real *logits, const int32_t *targets, size_t rows,
                              size_t cols)
{
    device->token_logp(out(logp, rows), out(lse, rows), out(entropy, rows), in(logits, rows * cols), targets, rows, cols);
    back();
}

static void mirror_token_logp_backward(real *dlogits, const real *dlogp, const real *logits, const real *lse,
                                       const int32_t *targets, size_t rows, size_t cols)
{
    size_t n = rows * cols;
    device->token_logp_backward(out(dlogits, n), in(dlogp, rows), in(logits, n), in(lse, rows), targets, rows, cols);
    back();
}

static void mirror_entropy_backward(real *dlogits, const real *dentropy, const real *entropy, const real *logits, const real *lse,
                                    size_t rows, size_t cols)
{
    size_t n = rows * cols;
    device->entropy_backward(out(dlogits, n), in(dentropy, rows), in(entropy, rows), in(logits, n), in(lse, rows), rows, cols);
    back();
}

/* What it finds is host memory in every table. */
static void mirror_top_k(real *values, int32_t *ids, double *lse, const real *logits, size_t rows, size_t cols, size_t k)
{
    device->top_k(values, ids, lse, in(logits, rows * cols), rows, cols, k);
    back();
}

static double mirror_sum_squares(const real *x, size_t n)
{
    double sum = device->sum_squares(in(x, n), n);
    back();
    return sum;
}

static void mirror_clamp(real *x, double limit, size_t n)
{
    device->clamp(out(x, n), limit, n);
    back();
}

static void mirror_scale(real *x, double factor, size_t n)
{
    device->scale(out(x, n), factor, n);
    back();
}

static void mirror_adam(real *p, const real *grad, real *m, real *v, const AdamStep *step, size_t n)
{
    device->adam(out(p, n), in(grad, n), out(m, n), out(v, n), step, n);
    back();
}

/* Bytes of any type that the device writes. */
static void *out_bytes(void *host, size_t bytes)
{
    size_t i = mirror_index(host, bytes);
    mirrored[i].out = true;
    return mirrored[i].copy;
}

static void mirror_integers_add(int64_t *sums, const real *x, size_t n, int64_t most, double *worst)
{
    device->integers_add(out_bytes(sums, n * sizeof *sums), in(x, n), n, most, out_bytes(worst, sizeof *worst));
    back();
}

static void mirror_integers_get(real *x, const int64_t *sums, size_t n)
{
    device->integers_get(out(x, n), mirrored[mirror_index(sums, n * sizeof *sums)].copy, n);
    back();
}

static bool mirror_idle(void)
{
    return device->idle();
}

/* The mirror of a table. There is one at a time. */
static const Kernels *mirror_of(const Kernels *under)
{
    static Kernels t;
    device = under;
    t = (Kernels){
        .name = under->name,
        .compute = under->compute,
        .matmul = mirror_matmul,
        .matmul_step = mirror_matmul_step,
        .matmul_dx = mirror_matmul_dx,
        .matmul_dw = mirror_matmul_dw,
        .column_sums = mirror_column_sums,
        .layernorm = mirror_layernorm,
        .layernorm_backward = mirror_layernorm_backward,
        .rmsnorm = mirror_rmsnorm,
        .rmsnorm_backward = mirror_rmsnorm_backward,
        .swiglu = mirror_swiglu,
        .swiglu_backward = mirror_swiglu_backward,
        .rotate = mirror_rotate,
        .normalise = mirror_normalise,
        .normalise_backward = mirror_normalise_backward,
        .gelu = mirror_gelu,
        .gelu_backward = mirror_gelu_backward,
        .quick_gelu = mirror_quick_gelu,
        .quick_gelu_backward = mirror_quick_gelu_backward,
        .gelu_tanh = mirror_gelu_tanh,
        .gelu_tanh_backward = mirror_gelu_tanh_backward,
        .relu = mirror_relu,
        .relu_backward = mirror_relu_backward,
        .add = mirror_add,
        .axpy = mirror_axpy,
        .axpy_rows = mirror_axpy_rows,
        .attention = mirror_attention,
        .attention_backward = mirror_attention_backward,
        .embed = mirror_embed,
        .embed_backward = mirror_embed_backward,
        .gather = mirror_gather,
        .gather_backward = mirror_gather_backward,
        .scatter = mirror_scatter,
        .mean_rows = mirror_mean_rows,
        .mean_rows_backward = mirror_mean_rows_backward,
        .token_logp = mirror_token_logp,
        .token_logp_backward = mirror_token_logp_backward,
        .entropy_backward = mirror_entropy_backward,
        .top_k = mirror_top_k,
        .sum_squares = mirror_sum_squares,
        .clamp = mirror_clamp,
        .scale = mirror_scale,
        .adam = mirror_adam,
        .integers_add = mirror_integers_add,
        .integers_get = mirror_integers_get,
        .idle = mirror_idle,
    };
    return &t;
}

#endif
