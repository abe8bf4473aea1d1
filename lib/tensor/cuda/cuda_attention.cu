/*
 * Attention: a block per query and head, its keys a tile at a time; the backward pass a block per query for dq and a block per
 * key for dk and dv, so that nothing is added by two. The formulas of cpu/plain_attention.c: maximum, sum, then probabilities,
 * which the backward pass computes again from the kept maximum and sum.
 *
 * A query's result depends on its own span alone.
 */
#include "tensor/cuda/device.cuh"

enum { TILE = 2048 }; /* keys whose scores a block holds at once */

typedef struct Work {
    real *out, *stats;
    real *dq, *dk, *dv;
    const real *dout, *kept_out, *kept_stats;
    const real *q, *k, *v;
    const Span *spans; /* on the device */
    const real *dots;  /* [q_rows, heads]: dout . out */
    size_t n_spans, most_queries, q_rows, heads, cols, d;
    real scale;
    bool causal;
} Work;

/* Where row `row` has the values of a head. */
static __device__ inline size_t at(const Work *w, size_t row, size_t head)
{
    return row * w->cols + head * w->d;
}

/* Keys that query i of a span sees, of its own. */
static __device__ inline size_t visible(const Work *w, const Span *s, size_t i)
{
    if (!w->causal)
        return s->nk;
    return s->nk + i + 1 > s->nq ? s->nk + i + 1 - s->nq : 0;
}

/* The row of a query's j-th key: the prefix first, then the span's own. */
static __device__ inline size_t key_row(const Span *s, size_t j)
{
    return j < s->n_prefix ? s->prefix + j : s->k + j - s->n_prefix;
}

static __device__ inline real dot(const real *a, const real *b, size_t n)
{
    real sum = 0;
    for (size_t e = 0; e < n; e++)
        sum += a[e] * b[e];
    return sum;
}

/* The query of this block: blockIdx.x counts most_queries for each span, blockIdx.y heads. False: that span has not so many. */
typedef struct Query {
    Span span;
    size_t head, row, keys; /* keys: prefix and own that it sees */
} Query;

static __device__ bool query_of_block(const Work *w, Query *query)
{
    size_t i = blockIdx.x % w->most_queries;
    query->span = w->spans[blockIdx.x / w->most_queries];
    query->head = blockIdx.y;
    query->row = query->span.q + i;
    query->keys = query->span.n_prefix + visible(w, &query->span, i);
    return i < query->span.nq;
}

static __device__ inline size_t tile_size(const Query *query, size_t first)
{
    return query->keys - first < TILE ? query->keys - first : TILE;
}

/* scores[j] = scale q . k of keys first .. first+n-1. */
static __device__ void tile_scores(const Work *w, const Query *query, real *scores, size_t first, size_t n)
{
    const real *q = w->q + at(w, query->row, query->head);
    __syncthreads(); /* the last tile may still be read */
    for (size_t j = threadIdx.x; j < n; j += THREADS)
        scores[j] = w->scale * dot(q, w->k + at(w, key_row(&query->span, first + j), query->head), w->d);
    __syncthreads();
}

static __device__ real scores_max(const Work *w, const Query *query, real *scores)
{
    real most = -INFINITY;
    for (size_t first = 0; first < query->keys; first += TILE) {
        size_t n = tile_size(query, first);
        tile_scores(w, query, scores, first, n);
        for (size_t j = threadIdx.x; j < n; j += THREADS)
            most = larger(most, scores[j]);
    }
    return block_max(most);
}

static __device__ double scores_sum(const Work *w, const Query *query, real *scores, real max)
{
    double sum = 0;
    for (size_t first = 0; first < query->keys; first += TILE) {
        size_t n = tile_size(query, first);
        if (query->keys > TILE) /* else they are still there */
            tile_scores(w, query, scores, first, n);
        for (size_t j = threadIdx.x; j < n; j += THREADS)
            sum += (double)expf(scores[j] - max);
    }
    return block_sum(sum);
}

static __global__ void attention_kernel(Work w)
{
    __shared__ real scores[TILE];
    Query query;
    if (!query_of_block(&w, &query)) /* the whole block */
        return;
    real max = scores_max(&w, &query, scores);
    real sum = (real)scores_sum(&w, &query, scores, max);
    if (w.stats && threadIdx.x == 0) {
        real *stats = w.stats + (query.row * w.heads + query.head) * 2;
        stats[0] = max;
        stats[1] = sum;
    }
    real *out = w.out + at(&w, query.row, query.head); /* zeros so far */
    for (size_t first = 0; first < query.keys; first += TILE) {
        size_t n = tile_size(&query, first);
        if (query.keys > TILE)
            tile_scores(&w, &query, scores, first, n);
        for (size_t j = threadIdx.x; j < n; j += THREADS)
            scores[j] = expf(scores[j] - max) / sum;
        __syncthreads();
        for (size_t e = threadIdx.x; e < w.d; e += THREADS) {
            real total = out[e];
            for (size_t j = 0; j < n; j++)
                total += scores[j] * w.v[at(&w, key_row(&query.span, first + j), query.head) + e];
            out[e] = total;
        }
    }
}

/* dots[row, head] = dout . out. */
static __global__ void dots_kernel(Work w, real *dots)
{
    size_t i = thread_index();
    if (i >= w.q_rows * w.heads)
        return;
    size_t first = at(&w, i / w.heads, i % w.heads);
    double sum = 0;
    for (size_t e = 0; e < w.d; e++)
        sum += (double)w.dout[first + e] * (double)w.kept_out[first + e];
    dots[i] = (real)sum;
}

/* A query's probability of a key, again, and in *ds the gradient of its score: p (dout . v - dout . out) scale. */
static __device__ inline real probability_again(const Work *w, size_t q_row, size_t k_row, size_t head, real *ds)
{
    size_t q_at = at(w, q_row, head), k_at = at(w, k_row, head);
    const real *stats = w->kept_stats + (q_row * w->heads + head) * 2;
    real p = expf(w->scale * dot(w->q + q_at, w->k + k_at, w->d) - stats[0]) / stats[1];
    *ds = p * (dot(w->dout + q_at, w->v + k_at, w->d) - w->dots[q_row * w->heads + head]) * w->scale;
    return p;
}

/* In the forward pass this was scores = scale q k^T: dq += ds k. */
static __global__ void attention_dq_kernel(Work w)
{
    __shared__ real ds[TILE];
    Query query;
    if (!query_of_block(&w, &query))
        return;
    real *dq = w.dq + at(&w, query.row, query.head);
    for (size_t first = 0; first < query.keys; first += TILE) {
        size_t n = tile_size(&query, first);
        __syncthreads();
        for (size_t j = threadIdx.x; j < n; j += THREADS)
            probability_again(&w, query.row, key_row(&query.span, first + j), query.head, &ds[j]);
        __syncthreads();
        for (size_t e = threadIdx.x; e < w.d; e += THREADS) {
            real total = 0;
            for (size_t j = 0; j < n; j++)
                total += ds[j] * w.k[at(&w, key_row(&query.span, first + j), query.head) + e];
            dq[e] += total;
        }
    }
}

/* The first query of a span that sees its own key j; nq where none does. Those after it see it too. */
static __device__ inline size_t first_seeing(const Work *w, const Span *s, size_t j)
{
    if (!w->causal)
        return 0;
    size_t first = j + s->nq >= s->nk ? j + s->nq - s->nk : 0;
    return first < s->nq ? first : s->nq;
}

/* Queries from .. nq-1 of a span see key `row`: dv += p dout, dk += ds q. */
static __device__ void key_backward(const Work *w, const Span *s, size_t from, size_t row, size_t head, real *p, real *ds)
{
    size_t k_at = at(w, row, head);
    for (size_t first = from; first < s->nq; first += THREADS) {
        size_t n = s->nq - first < THREADS ? s->nq - first : THREADS;
        __syncthreads();
        if (threadIdx.x < n)
            p[threadIdx.x] = probability_again(w, s->q + first + threadIdx.x, row, head, &ds[threadIdx.x]);
        __syncthreads();
        for (size_t e = threadIdx.x; e < w->d; e += THREADS) {
            real dk = 0, dv = 0;
            for (size_t i = 0; i < n; i++) {
                size_t q_at = at(w, s->q + first + i, head) + e;
                dv += p[i] * w->dout[q_at];
                dk += ds[i] * w->q[q_at];
            }
            if (w->dv)
                w->dv[k_at + e] += dv;
            if (w->dk)
                w->dk[k_at + e] += dk;
        }
    }
}

/* A block per key row and head, spans one after the other: as prefix, and as own key. */
static __global__ void attention_dk_dv_kernel(Work w)
{
    __shared__ real p[THREADS], ds[THREADS];
    size_t row = blockIdx.x, head = blockIdx.y;
    for (size_t i = 0; i < w.n_spans; i++) {
        Span s = w.spans[i];
        if (row >= s.prefix && row < s.prefix + s.n_prefix)
            key_backward(&w, &s, 0, row, head, p, ds);
        if (row >= s.k && row < s.k + s.nk)
            key_backward(&w, &s, first_seeing(&w, &s, row - s.k), row, head, p, ds);
    }
}

static size_t larger_size(size_t a, size_t b)
{
    return a > b ? a : b;
}

/* What both passes know; spans are uploaded, for the caller to free. */
static Work work_of(const AttentionShape *shape, const real *q, const real *k, const real *v)
{
    Work w = {};
    for (size_t i = 0; i < shape->n_spans; i++)
        w.most_queries = larger_size(w.most_queries, shape->spans[i].nq);
    w.spans = (const Span *)cuda_scratch_copy(shape->spans, shape->n_spans * sizeof *shape->spans);
    w.n_spans = shape->n_spans;
    w.q = q;
    w.k = k;
    w.v = v;
    w.q_rows = shape->q_rows;
    w.heads = shape->heads;
    w.cols = shape->cols;
    w.d = shape->cols / shape->heads;
    w.scale = (real)shape->scale;
    w.causal = shape->causal;
    return w;
}

static dim3 query_blocks(const Work *w)
{
    return dim3((unsigned)(w->n_spans * w->most_queries), (unsigned)w->heads);
}

static void attention(real *out, real *stats, const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    if (shape->q_rows == 0)
        return;
    CHECK(cudaMemsetAsync(out, 0, shape->q_rows * shape->cols * sizeof *out, 0));
    Work w = work_of(shape, q, k, v);
    w.out = out;
    w.stats = stats;
    if (w.most_queries > 0) {
        attention_kernel<<<query_blocks(&w), THREADS>>>(w);
        CHECK(cudaGetLastError());
    }
    cuda_scratch_free(w.spans);
}

/* Key rows that any span has: 0 .. the result - 1. */
static size_t key_rows(const AttentionShape *shape)
{
    size_t rows = 0;
    for (size_t i = 0; i < shape->n_spans; i++) {
        const Span *s = &shape->spans[i];
        if (s->n_prefix > 0)
            rows = larger_size(rows, s->prefix + s->n_prefix);
        if (s->nk > 0)
            rows = larger_size(rows, s->k + s->nk);
    }
    return rows;
}

static void attention_backward(real *dq, real *dk, real *dv, const real *dout, const real *out, const real *stats, const real *q,
                               const real *k, const real *v, const AttentionShape *shape)
{
    size_t rows = key_rows(shape);
    if (shape->q_rows == 0 || rows == 0)
        return;
    Work w = work_of(shape, q, k, v);
    w.dq = dq;
    w.dk = dk;
    w.dv = dv;
    w.dout = dout;
    w.kept_out = out;
    w.kept_stats = stats;
    real *dots = (real *)cuda_scratch(w.q_rows * w.heads * sizeof *dots);
    dots_kernel<<<blocks_for(w.q_rows * w.heads), THREADS>>>(w, dots);
    CHECK(cudaGetLastError());
    w.dots = dots;
    if (dq && w.most_queries > 0) {
        attention_dq_kernel<<<query_blocks(&w), THREADS>>>(w);
        CHECK(cudaGetLastError());
    }
    if (dk || dv) {
        attention_dk_dv_kernel<<<dim3((unsigned)rows, (unsigned)w.heads), THREADS>>>(w);
        CHECK(cudaGetLastError());
    }
    cuda_scratch_free(dots);
    cuda_scratch_free(w.spans);
}

void cuda_attention_fill(Kernels *k)
{
    k->attention = attention;
    k->attention_backward = attention_backward;
}
