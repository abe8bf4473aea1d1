/*
 * Attention's backward pass: a block per head and tile of queries for dq, and one per head and tile of key rows for dk and dv, so
 * that nothing is added by two. Both compute the probabilities again from the kept maximum and sum.
 *
 * In the forward pass this was p = exp(scale q . k - max) / sum, out = sum of p v. So dv += p dout, and with
 * ds = p (dout . v - dout . out) scale: dq += ds k, dk += ds q.
 */
#include "tensor/cuda/attention.cuh"

#include <stdlib.h>
#include <string.h>

enum {
    QUERIES = 32, /* of a tile */
    Q_EACH = QUERIES / SIDE,
    K_EACH = KEYS / SIDE,
    COLUMNS_EACH = WIDEST_HEAD / SIDE,
    LD = KEYS + PAD, /* of matrices [QUERIES, KEYS] */
};

/* dots[row, head] = dout . out: a warp for each. */
static __global__ void dots_kernel(Work w, const real *out, real *dots, size_t n)
{
    const size_t i = thread_index() / 32;
    if (i >= n) /* a whole warp */
        return;
    const size_t first = at(w, i / w.heads, i % w.heads);
    double sum = 0;
    for (int e = (int)threadIdx.x % 32; e < w.d; e += 32)
        sum += (double)w.dout[first + e] * (double)out[first + e];
    for (int offset = 16; offset > 0; offset /= 2)
        sum += __shfl_down_sync(0xffffffff, sum, offset);
    if (threadIdx.x % 32 == 0)
        dots[i] = (real)sum;
}

/* A block's tiles: [QUERIES, padded] twice, [KEYS, padded] twice, [QUERIES, KEYS] twice. */
typedef struct Tiles {
    real *q, *dout, *k, *v, *p, *ds;
} Tiles;

static __device__ inline Tiles tiles_of(real *memory, int padded)
{
    Tiles t;
    t.q = memory;
    t.dout = t.q + tile_floats(padded, QUERIES);
    t.k = t.dout + tile_floats(padded, QUERIES);
    t.v = t.k + tile_floats(padded, KEYS);
    t.p = t.v + tile_floats(padded, KEYS);
    t.ds = t.p + QUERIES * LD;
    return t;
}

static size_t tiles_bytes(const Work *w)
{
    return (size_t)(tile_floats(w->padded, 2 * QUERIES + 2 * KEYS) + 2 * QUERIES * LD) * sizeof(real);
}

/* Which of a tile's keys query i of a span sees: from .. to-1. */
typedef struct Range {
    long from, to;
} Range;

/* p and ds of nq queries and nk keys; zero where a query does not see the key, and as far as whole groups of rows go. */
template <class Seen>
static __device__ inline void probabilities(const Work &w, const Tiles &t, size_t q_row, int nq, int nk, size_t head, Seen seen)
{
    const int x = (int)threadIdx.x % SIDE, y = (int)threadIdx.x / SIDE;
    float scores[Q_EACH][K_EACH] = {}, dp[Q_EACH][K_EACH] = {};
    const int m = groups_of_rows(nq), n = groups_of_rows(nk);
    tile_product(scores, t.q, t.k, w.padded, m, n, x, y);
    tile_product(dp, t.dout, t.v, w.padded, m, n, x, y);
#pragma unroll
    for (int a = 0; a < Q_EACH; a++) {
        if (a >= m)
            break;
        const int i = y + SIDE * a;
        const size_t index = (q_row + (size_t)i) * w.heads + head;
        const bool there = i < nq;
        const Range range = seen(i);
        const float max = there ? w.kept_stats[2 * index] : 0, sum = there ? w.kept_stats[2 * index + 1] : 1;
        const float dots = there ? w.dots[index] : 0;
#pragma unroll
        for (int b = 0; b < K_EACH; b++) {
            if (b >= n)
                break;
            const int j = x + SIDE * b;
            const bool sees = there && j >= range.from && j < range.to;
            const float p = sees ? expf(w.scale * scores[a][b] - max) / sum : 0;
            t.p[i * LD + j] = p;
            t.ds[i * LD + j] = sees ? p * (dp[a][b] - dots) * w.scale : 0;
        }
    }
}

/* ---- dq ---- */

static __global__ void __launch_bounds__(THREADS) attention_dq_kernel(Work w, const QueryTile *tiles)
{
    extern __shared__ real memory[];
    const Tiles t = tiles_of(memory, w.padded);
    const QueryTile tile = tiles[blockIdx.x];
    const Span span = tile.span;
    const size_t head = blockIdx.y, q_row = span.q + tile.first;
    const int ld = w.padded + PAD, groups = groups_of_rows((int)tile.n);
    const int x = (int)threadIdx.x % SIDE, y = (int)threadIdx.x / SIDE;
    float dq[Q_EACH][COLUMNS_EACH] = {};
    tile_load(t.q, w, w.q, q_row, (int)tile.n, QUERIES, head);
    tile_load(t.dout, w, w.dout, q_row, (int)tile.n, QUERIES, head);
    const long seen = (long)span.n_prefix + visible(w, span, (long)tile.first + tile.n - 1);
    for (long first = 0; first < seen; first += KEYS) {
        const int n = seen - first < KEYS ? (int)(seen - first) : (int)KEYS;
        __syncthreads(); /* the last tile may still be read */
        tile_load_keys(t.k, w, w.k, span, (size_t)first, n, head);
        tile_load_keys(t.v, w, w.v, span, (size_t)first, n, head);
        tiles_arrive();
        probabilities(w, t, q_row, (int)tile.n, n, head, [&](int i) {
            return Range{0, (long)span.n_prefix + visible(w, span, (long)tile.first + i) - first};
        });
        __syncwarp(); /* a query's row is its own warp's */
        for (int j = 0; j < n; j += 4) {
            float4 ds[Q_EACH];
#pragma unroll
            for (int a = 0; a < Q_EACH; a++)
                ds[a] = a < groups ? load4(t.ds + (y + SIDE * a) * LD + j) : make_float4(0, 0, 0, 0);
#pragma unroll
            for (int c = 0; c < COLUMNS_EACH; c++) {
                if (SIDE * c >= w.padded)
                    break;
                const real *k = t.k + j * ld + (x + SIDE * c < w.padded ? x + SIDE * c : w.padded - 1);
                float4 column = make_float4(k[0], k[ld], k[2 * ld], k[3 * ld]);
#pragma unroll
                for (int a = 0; a < Q_EACH; a++)
                    dq[a][c] = dot4(ds[a], column, dq[a][c]);
            }
        }
    }
#pragma unroll
    for (int a = 0; a < Q_EACH; a++)
#pragma unroll
        for (int c = 0; c < COLUMNS_EACH; c++)
            if (y + SIDE * a < (int)tile.n && x + SIDE * c < w.d)
                w.dq[at(w, q_row + (size_t)(y + SIDE * a), head) + x + SIDE * c] += dq[a][c];
}

/* ---- dk, dv ---- */

/* A span some of whose keys lie in a tile of rows: its prefix, or its own. */
typedef struct Visit {
    Span span;
    uint64_t own;
} Visit;

/* Key rows that lie together: every span that sees one of them by its prefix, or as its own, has all of them there. */
typedef struct KeyTile {
    uint64_t first;
    uint32_t n, visits; /* visits: where its own begin among all; the next tile's follow */
} KeyTile;

/* Which rows of the tile query i of a visit's span sees. */
static __device__ inline Range rows_seen(const Work &w, const Visit &v, size_t first, long i)
{
    long from = (long)(v.own ? v.span.k : v.span.prefix) - (long)first;
    return Range{from, from + (v.own ? visible(w, v.span, i) : (long)v.span.n_prefix)};
}

/* The first query of a visit that sees a row of the tile: those before it need not be looked at. */
static __device__ inline long first_query(const Work &w, const Visit &v, size_t first)
{
    if (!v.own || !w.causal)
        return 0;
    long i = (long)(first - v.span.k) + (long)v.span.nq - (long)v.span.nk;
    return i > 0 ? i : 0;
}

static __global__ void __launch_bounds__(THREADS, 2) attention_dk_dv_kernel(Work w, const KeyTile *tiles, const Visit *visits)
{
    extern __shared__ real memory[];
    const Tiles t = tiles_of(memory, w.padded);
    const KeyTile tile = tiles[blockIdx.x];
    const size_t first = tile.first, head = blockIdx.y;
    const int ld = w.padded + PAD, groups = groups_of_rows((int)tile.n);
    const int x = (int)threadIdx.x % SIDE, y = (int)threadIdx.x / SIDE;
    float dk[K_EACH][COLUMNS_EACH] = {}, dv[K_EACH][COLUMNS_EACH] = {};
    tile_load(t.k, w, w.k, first, (int)tile.n, KEYS, head);
    tile_load(t.v, w, w.v, first, (int)tile.n, KEYS, head);
    for (uint32_t i = tile.visits; i < tiles[blockIdx.x + 1].visits; i++) {
        const Visit visit = visits[i];
        for (long q0 = first_query(w, visit, first); q0 < (long)visit.span.nq; q0 += QUERIES) {
            const int nq = (long)visit.span.nq - q0 < QUERIES ? (int)((long)visit.span.nq - q0) : (int)QUERIES;
            const size_t q_row = visit.span.q + (size_t)q0;
            __syncthreads(); /* the last tile may still be read */
            tile_load(t.q, w, w.q, q_row, nq, QUERIES, head);
            tile_load(t.dout, w, w.dout, q_row, nq, QUERIES, head);
            tiles_arrive();
            probabilities(w, t, q_row, nq, (int)tile.n, head, [&](int i) { return rows_seen(w, visit, first, q0 + i); });
            __syncthreads();
            /* Thread (x, y): keys y, y+16, ..; columns x, x+16, .. */
            for (int q = 0; q < nq; q++) {
                float p[K_EACH], ds[K_EACH];
#pragma unroll
                for (int b = 0; b < K_EACH; b++) {
                    p[b] = b < groups ? t.p[q * LD + y + SIDE * b] : 0;
                    ds[b] = b < groups ? t.ds[q * LD + y + SIDE * b] : 0;
                }
#pragma unroll
                for (int c = 0; c < COLUMNS_EACH; c++) {
                    if (SIDE * c >= w.padded)
                        break;
                    const int e = q * ld + (x + SIDE * c < w.padded ? x + SIDE * c : w.padded - 1);
                    const float dout = t.dout[e], query = t.q[e];
#pragma unroll
                    for (int b = 0; b < K_EACH; b++) {
                        if (b >= groups)
                            break;
                        dv[b][c] = fmaf(p[b], dout, dv[b][c]);
                        dk[b][c] = fmaf(ds[b], query, dk[b][c]);
                    }
                }
            }
        }
    }
#pragma unroll
    for (int b = 0; b < K_EACH; b++)
#pragma unroll
        for (int c = 0; c < COLUMNS_EACH; c++)
            if (y + SIDE * b < (int)tile.n && x + SIDE * c < w.d) {
                const size_t to = at(w, first + (size_t)(y + SIDE * b), head) + x + SIDE * c;
                if (w.dk)
                    w.dk[to] += dk[b][c];
                if (w.dv)
                    w.dv[to] += dv[b][c];
            }
}

static int size_order(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Where a range of rows that some span sees begins or ends: rows between two neighbours are seen by the same spans. */
static size_t boundaries_of(uint64_t *to, const AttentionShape *shape)
{
    size_t n = 0, kept = 0;
    for (size_t i = 0; i < shape->n_spans; i++) {
        const Span *s = &shape->spans[i];
        to[n++] = s->prefix;
        to[n++] = s->prefix + s->n_prefix;
        to[n++] = s->k;
        to[n++] = s->k + s->nk;
    }
    qsort(to, n, sizeof *to, size_order);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || to[i] != to[i - 1])
            to[kept++] = to[i];
    return kept;
}

/* What a call's key tiles are, and who sees them; all to be freed. One more tile than n ends the list. */
typedef struct Plan {
    KeyTile *tiles;
    Visit *visits;
    size_t n, n_visits;
} Plan;

/* Calls f(tile, visit) for every tile and span that sees its rows. Tiles are in order of their rows. */
template <class F> static void each_visit(const AttentionShape *shape, const Plan *plan, F f)
{
    for (size_t i = 0; i < shape->n_spans; i++)
        for (uint64_t own = 0; shape->spans[i].nq > 0 && own < 2; own++) {
            Visit v;
            memset(&v, 0, sizeof v); /* padding too: arrays are compared */
            v.span = shape->spans[i];
            v.own = own;
            const uint64_t from = own ? v.span.k : v.span.prefix, to = from + (own ? v.span.nk : v.span.n_prefix);
            size_t low = 0, high = plan->n;
            while (low < high) {
                size_t middle = (low + high) / 2;
                if (plan->tiles[middle].first < from)
                    low = middle + 1;
                else
                    high = middle;
            }
            for (; low < plan->n && plan->tiles[low].first < to; low++)
                f(&plan->tiles[low], v);
        }
}

static Plan plan_of(const AttentionShape *shape)
{
    Plan plan = {};
    uint64_t *boundaries = (uint64_t *)xcalloc(4 * shape->n_spans + 1, sizeof *boundaries);
    size_t n = boundaries_of(boundaries, shape), capacity = 0;
    for (size_t i = 0; i + 1 < n; i++)
        for (uint64_t row = boundaries[i]; row < boundaries[i + 1]; row += KEYS) {
            plan.tiles = (KeyTile *)array_reserve(plan.tiles, &capacity, plan.n + 2, sizeof *plan.tiles);
            plan.tiles[plan.n++] =
                KeyTile{row, (uint32_t)(boundaries[i + 1] - row < KEYS ? boundaries[i + 1] - row : (uint64_t)KEYS), 0};
        }
    free(boundaries);
    each_visit(shape, &plan, [](KeyTile *tile, const Visit &) { tile->visits++; });
    for (size_t i = 0; i < plan.n; i++) { /* from counts to where each begins */
        const uint32_t count = plan.tiles[i].visits;
        plan.tiles[i].visits = (uint32_t)plan.n_visits;
        plan.n_visits += count;
    }
    plan.visits = (Visit *)xcalloc(plan.n_visits + 1, sizeof *plan.visits);
    each_visit(shape, &plan, [&](KeyTile *tile, const Visit &v) { plan.visits[tile->visits++] = v; });
    for (size_t i = plan.n; i-- > 0;) /* each began where the one before it ended */
        plan.tiles[i + 1] = KeyTile{i + 1 < plan.n ? plan.tiles[i + 1].first : 0, i + 1 < plan.n ? plan.tiles[i + 1].n : 0,
                                    plan.tiles[i].visits};
    if (plan.n > 0)
        plan.tiles[0].visits = 0;
    return plan;
}

static void dk_dv_run(const Work *w, const AttentionShape *shape)
{
    Plan plan = plan_of(shape);
    if (plan.n_visits > 0) {
        const KeyTile *tiles = (const KeyTile *)cuda_indices(plan.tiles, (plan.n + 1) * sizeof *tiles);
        const Visit *visits = (const Visit *)cuda_indices(plan.visits, plan.n_visits * sizeof *visits);
        CHECK(cudaFuncSetAttribute(attention_dk_dv_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)tiles_bytes(w)));
        attention_dk_dv_kernel<<<dim3((unsigned)plan.n, (unsigned)w->heads), THREADS, tiles_bytes(w)>>>(*w, tiles, visits);
        CHECK(cudaGetLastError());
    }
    free(plan.tiles);
    free(plan.visits);
}

static void dq_run(const Work *w, const AttentionShape *shape)
{
    size_t n;
    const QueryTile *tiles = cuda_attention_tiles(shape, 1, SIZE_MAX, QUERIES, &n);
    if (n == 0)
        return;
    tiles = (const QueryTile *)cuda_indices(tiles, n * sizeof *tiles);
    CHECK(cudaFuncSetAttribute(attention_dq_kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)tiles_bytes(w)));
    attention_dq_kernel<<<dim3((unsigned)n, (unsigned)w->heads), THREADS, tiles_bytes(w)>>>(*w, tiles);
    CHECK(cudaGetLastError());
}

static void attention_backward(real *dq, real *dk, real *dv, const real *dout, const real *out, const real *stats, const real *q,
                               const real *k, const real *v, const AttentionShape *shape)
{
    if (shape->q_rows == 0 || shape->n_spans == 0)
        return;
    Work w = cuda_attention_work(shape, q, k, v);
    if (w.d > WIDEST_HEAD)
        die("heads of %d columns: on a CUDA device those that lead to gradients have at most %d", w.d, (int)WIDEST_HEAD);
    const size_t n = shape->q_rows * w.heads;
    real *dots = (real *)cuda_scratch(n * sizeof *dots);
    w.dq = dq;
    w.dk = dk;
    w.dv = dv;
    w.dout = dout;
    w.kept_stats = stats;
    w.dots = dots;
    w.vectors = w.vectors && (uintptr_t)dout % sizeof(float4) == 0;
    dots_kernel<<<blocks_for(32 * n), THREADS>>>(w, out, dots, n);
    CHECK(cudaGetLastError());
    if (dq)
        dq_run(&w, shape);
    if (dk || dv)
        dk_dv_run(&w, shape);
    cuda_scratch_free(dots);
}

void cuda_attention_backward_fill(Kernels *k)
{
    k->attention_backward = attention_backward;
}
