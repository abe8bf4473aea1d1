/*
 * Attention in plain C: by span and head, a block of queries against all the keys they see, scores as two small products (the
 * shared prefix, the span's own keys). The backward pass computes the probabilities again from the kept maximum and sum.
 */
#include "tensor/cpu/plain/plain.h"

#include <string.h>
#include <tgmath.h>

#include "base/pool.h"
#include "tensor/cpu/blas.h"
#include "tensor/cpu/scratch.h"

enum { QUERY_BLOCK = 64 };

typedef struct AttentionWork {
    real *out, *stats;
    real *dq, *dk, *dv;
    const real *dout, *kept_out, *kept_stats;
    const real *q, *k, *v;
    const AttentionShape *shape;
    size_t d; /* of a head */
} AttentionWork;

/* Some queries of a span under one head, and a work matrix [nq, ld] of theirs: columns are prefix keys, then own keys. */
typedef struct Block {
    const Span *span;
    size_t head, first, nq; /* queries first .. first+nq-1 of the span */
    size_t n_prefix, nk;    /* keys that at least one of them sees */
    size_t ld;
    real *scores;
} Block;

/* c[m,n] = alpha a[m,k] b[n,k]^T. Our own loops, here and below: a query's sums must not depend on how many others there are. */
static void product_t(real *c, size_t ldc, const real *a, const real *b, size_t ld, real alpha, size_t m, size_t n, size_t k)
{
    for (size_t i = 0; i < m; i++)
        memset(c + i * ldc, 0, n * sizeof *c);
    plain_dots(c, ldc, a, ld, b, ld, m, n, k);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            c[i * ldc + j] *= alpha;
}

/* c[m,n] += a[m,k] b[k,n]; rows of c and b are ld apart. */
static void product(real *c, size_t ld, const real *a, size_t lda, const real *b, size_t m, size_t n, size_t k)
{
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < k; j++)
            for (size_t e = 0; e < n; e++)
                c[i * ld + e] += a[i * lda + j] * b[j * ld + e];
}

static size_t at(const AttentionWork *w, size_t row, size_t head)
{
    return row * w->shape->cols + head * w->d;
}

static Block block_of(const AttentionWork *w, const Span *span, size_t head, size_t first)
{
    Block b = {
        .span = span, .head = head, .first = first, .nq = size_min(QUERY_BLOCK, span->nq - first), .n_prefix = span->n_prefix};
    b.nk = span_visible(span, first + b.nq - 1, w->shape->causal);
    b.ld = b.n_prefix + b.nk;
    return b;
}

/* c = alpha a rows^T for the rows of x (keys or values) that the block sees. */
static void against_keys(const AttentionWork *w, const Block *b, real *c, const real *a, const real *x, double alpha)
{
    const Span *s = b->span;
    const real *rows = a + at(w, s->q + b->first, b->head);
    if (b->n_prefix > 0)
        product_t(c, b->ld, rows, x + at(w, s->prefix, b->head), w->shape->cols, (real)alpha, b->nq, b->n_prefix, w->d);
    if (b->nk > 0)
        product_t(c + b->n_prefix, b->ld, rows, x + at(w, s->k, b->head), w->shape->cols, (real)alpha, b->nq, b->nk, w->d);
}

/* y (rows of queries) += c x. */
static void times_keys(const AttentionWork *w, const Block *b, real *y, const real *c, const real *x)
{
    const Span *s = b->span;
    real *rows = y + at(w, s->q + b->first, b->head);
    if (b->n_prefix > 0)
        product(rows, w->shape->cols, c, b->ld, x + at(w, s->prefix, b->head), b->nq, w->d, b->n_prefix);
    if (b->nk > 0)
        product(rows, w->shape->cols, c + b->n_prefix, b->ld, x + at(w, s->k, b->head), b->nq, w->d, b->nk);
}

/* y (rows of keys) += c^T x, x by queries. */
static void transposed_times_queries(const AttentionWork *w, const Block *b, real *y, const real *c, const real *x)
{
    const Span *s = b->span;
    size_t cols = w->shape->cols;
    const real *rows = x + at(w, s->q + b->first, b->head);
    if (b->n_prefix > 0)
        blas_gemm(true, false, b->n_prefix, w->d, b->nq, 1, c, b->ld, rows, cols, 1, y + at(w, s->prefix, b->head), cols);
    if (b->nk > 0)
        blas_gemm(true, false, b->nk, w->d, b->nq, 1, c + b->n_prefix, b->ld, rows, cols, 1, y + at(w, s->k, b->head), cols);
}

static size_t seen(const AttentionWork *w, const Block *b, size_t i)
{
    return b->n_prefix + span_visible(b->span, b->first + i, w->shape->causal);
}

static real *stats_of(const AttentionWork *w, const Block *b, real *stats, size_t i)
{
    return stats + ((b->span->q + b->first + i) * w->shape->heads + b->head) * 2;
}

/* Scores to probabilities; keys not seen get 0, and so do all where a query sees none. */
static void softmax(const AttentionWork *w, const Block *b)
{
    for (size_t i = 0; i < b->nq; i++) {
        real *p = b->scores + i * b->ld, max = -INFINITY;
        size_t n = seen(w, b, i);
        for (size_t j = 0; j < n; j++)
            max = p[j] > max || p[j] != p[j] ? p[j] : max;
        double sum = 0;
        for (size_t j = 0; j < n; j++) {
            p[j] = exp(p[j] - max);
            sum += (double)p[j];
        }
        for (size_t j = 0; j < n; j++)
            p[j] /= (real)sum;
        memset(p + n, 0, (b->ld - n) * sizeof *p);
        if (w->stats) {
            stats_of(w, b, w->stats, i)[0] = max;
            stats_of(w, b, w->stats, i)[1] = (real)sum;
        }
    }
}

static void attention_part(void *context, size_t part)
{
    const AttentionWork *w = context;
    const Span *span = &w->shape->spans[part / w->shape->heads];
    for (size_t first = 0; first < span->nq; first += QUERY_BLOCK) {
        Block b = block_of(w, span, part % w->shape->heads, first);
        b.scores = scratch(SCRATCH_ROWS, b.nq * b.ld * sizeof(real));
        against_keys(w, &b, b.scores, w->q, w->k, w->shape->scale);
        softmax(w, &b);
        times_keys(w, &b, w->out, b.scores, w->v);
    }
}

static void attention(real *out, real *stats, const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    AttentionWork w = {.out = out, .stats = stats, .q = q, .k = k, .v = v, .shape = shape, .d = shape->cols / shape->heads};
    memset(out, 0, shape->q_rows * shape->cols * sizeof *out);
    pool_run(attention_part, &w, shape->n_spans * shape->heads);
}

/* Scores to probabilities, with what the forward pass kept. */
static void probabilities_again(const AttentionWork *w, const Block *b)
{
    for (size_t i = 0; i < b->nq; i++) {
        real *p = b->scores + i * b->ld;
        size_t n = seen(w, b, i);
        const real *stats = stats_of(w, b, (real *)w->kept_stats, i);
        for (size_t j = 0; j < n; j++)
            p[j] = exp(p[j] - stats[0]) / stats[1];
        memset(p + n, 0, (b->ld - n) * sizeof *p);
    }
}

/* dp, the gradient of probabilities, becomes that of scores: ds = p (dp - dout . out) scale. */
static void softmax_backward(const AttentionWork *w, const Block *b, real *dp)
{
    for (size_t i = 0; i < b->nq; i++) {
        size_t row = at(w, b->span->q + b->first + i, b->head), n = seen(w, b, i);
        double dot = 0;
        for (size_t e = 0; e < w->d; e++)
            dot += (double)w->dout[row + e] * (double)w->kept_out[row + e];
        const real *p = b->scores + i * b->ld;
        real *ds = dp + i * b->ld;
        for (size_t j = 0; j < n; j++)
            ds[j] = p[j] * (ds[j] - (real)dot) * (real)w->shape->scale;
        memset(ds + n, 0, (b->ld - n) * sizeof *ds);
    }
}

static void block_backward(const AttentionWork *w, Block *b)
{
    b->scores = scratch(SCRATCH_ROWS, 2 * b->nq * b->ld * sizeof(real));
    real *dp = b->scores + b->nq * b->ld;
    against_keys(w, b, b->scores, w->q, w->k, w->shape->scale);
    probabilities_again(w, b);
    if (w->dv) /* in the forward pass this was out = p v */
        transposed_times_queries(w, b, w->dv, b->scores, w->dout);
    if (!w->dq && !w->dk)
        return;
    against_keys(w, b, dp, w->dout, w->v, 1);
    softmax_backward(w, b, dp);
    if (w->dq) /* in the forward pass this was scores = q k^T */
        times_keys(w, b, w->dq, dp, w->k);
    if (w->dk)
        transposed_times_queries(w, b, w->dk, dp, w->q);
}

/* One head, all spans: spans may share keys, so they take turns. */
static void head_backward_part(void *context, size_t head)
{
    const AttentionWork *w = context;
    for (size_t i = 0; i < w->shape->n_spans; i++)
        for (size_t first = 0; first < w->shape->spans[i].nq; first += QUERY_BLOCK) {
            Block b = block_of(w, &w->shape->spans[i], head, first);
            if (b.ld > 0)
                block_backward(w, &b);
        }
}

static void attention_backward(real *dq, real *dk, real *dv, const real *dout, const real *out, const real *stats, const real *q,
                               const real *k, const real *v, const AttentionShape *shape)
{
    AttentionWork w = {.dq = dq,
                       .dk = dk,
                       .dv = dv,
                       .dout = dout,
                       .kept_out = out,
                       .kept_stats = stats,
                       .q = q,
                       .k = k,
                       .v = v,
                       .shape = shape,
                       .d = shape->cols / shape->heads};
    pool_run(head_backward_part, &w, shape->heads);
}

void plain_attention_fill(Kernels *k)
{
    k->attention = attention;
    k->attention_backward = attention_backward;
}
