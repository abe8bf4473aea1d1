/*
 * Attention: a block per head and tile of queries, their keys a tile at a time, with the running maximum and sum of Milakov and
 * Gimelshein 2018 (https://arxiv.org/abs/1805.02867) as Dao et al. 2022 (https://arxiv.org/abs/2205.14135) use them. Spans of few
 * queries, the decoder's, have a warp per head and query instead, and so do heads too wide for tiles.
 *
 * A query's result depends on its own span alone.
 */
#include "tensor/cuda/attention.cuh"

#include <string.h>

enum {
    QUERIES = 64,         /* of a tile */
    FEW_QUERIES = 4,      /* spans of so many and fewer go query by query */
    WIDEST_OF_ALL = 1024, /* columns of a head, query by query */
    K_EACH = KEYS / SIDE,
    COLUMNS_EACH = WIDEST_HEAD / SIDE,
    WARP = 32,
    WARPS = THREADS / WARP,
};

Work cuda_attention_work(const AttentionShape *shape, const real *q, const real *k, const real *v)
{
    Work w = {};
    w.q = q;
    w.k = k;
    w.v = v;
    w.heads = shape->heads;
    w.cols = shape->cols;
    w.d = (int)(shape->cols / shape->heads);
    w.padded = (w.d + 3) / 4 * 4;
    w.scale = (real)shape->scale;
    w.causal = shape->causal;
    w.vectors = w.d % 4 == 0 && ((uintptr_t)q | (uintptr_t)k | (uintptr_t)v) % sizeof(float4) == 0;
    return w;
}

const QueryTile *cuda_attention_tiles(const AttentionShape *shape, size_t shortest, size_t longest, size_t size, size_t *n)
{
    static QueryTile *tiles; /* kept: decoding allocates nothing once it is under way */
    static size_t capacity;
    *n = 0;
    for (size_t i = 0; i < shape->n_spans; i++) {
        const Span *s = &shape->spans[i];
        if (s->nq < shortest || s->nq > longest)
            continue;
        for (size_t first = 0; first < s->nq; first += size) {
            tiles = (QueryTile *)array_reserve(tiles, &capacity, *n + 1, sizeof *tiles);
            QueryTile *t = &tiles[(*n)++];
            memset(t, 0, sizeof *t); /* padding too: arrays are compared */
            t->span = *s;
            t->first = (uint32_t)first;
            t->n = (uint32_t)(s->nq - first < size ? s->nq - first : size);
        }
    }
    return tiles;
}

/* ---- tiles ---- */

/* Over the SIDE neighbours that share their queries. */
static __device__ inline float side_max(float x)
{
    for (int offset = SIDE / 2; offset > 0; offset /= 2)
        x = larger(x, __shfl_xor_sync(0xffffffff, x, offset));
    return x;
}

static __device__ inline float side_sum(float x)
{
    for (int offset = SIDE / 2; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffff, x, offset);
    return x;
}

/*
 * Thread (x, y) has queries y, y+16, .. of the tile; of the scores the keys x, x+16, .., of the result the columns x, x+16, ..
 * Q_EACH: how many queries, for tiles of more than `above` of them; other blocks have nothing to do.
 */
template <int Q_EACH> static __global__ void __launch_bounds__(THREADS) attention_kernel(Work w, const QueryTile *tiles, int above)
{
    extern __shared__ real memory[];
    const QueryTile tile = tiles[blockIdx.x];
    if ((int)tile.n <= above || (int)tile.n > Q_EACH * SIDE)
        return;
    const Span span = tile.span;
    const size_t head = blockIdx.y;
    const int ld = w.padded + PAD, x = (int)threadIdx.x % SIDE, y = (int)threadIdx.x / SIDE;
    real *queries = memory, *keys = queries + tile_floats(w.padded, Q_EACH * SIDE), *values = keys + tile_floats(w.padded, KEYS);
    real *weights = values + tile_floats(w.padded, KEYS); /* [Q_EACH * SIDE, KEYS + PAD] */
    float max[Q_EACH], sum[Q_EACH], out[Q_EACH][COLUMNS_EACH] = {};
#pragma unroll
    for (int a = 0; a < Q_EACH; a++) {
        max[a] = -INFINITY;
        sum[a] = 0;
    }
    tile_load(queries, w, w.q, span.q + tile.first, (int)tile.n, Q_EACH * SIDE, head);
    const long seen = (long)span.n_prefix + visible(w, span, (long)tile.first + tile.n - 1);
    for (long first = 0; first < seen; first += KEYS) {
        const int n = seen - first < KEYS ? (int)(seen - first) : (int)KEYS;
        __syncthreads(); /* the last tile may still be read */
        tile_load_keys(keys, w, w.k, span, (size_t)first, n, head);
        tile_load_keys(values, w, w.v, span, (size_t)first, n, head);
        tiles_arrive();
        float scores[Q_EACH][K_EACH] = {};
        tile_product(scores, queries, keys, w.padded, Q_EACH, groups_of_rows(n), x, y);
#pragma unroll
        for (int a = 0; a < Q_EACH; a++) {
            const long own = (long)span.n_prefix + visible(w, span, (long)tile.first + y + SIDE * a) - first;
            float most = max[a];
#pragma unroll
            for (int b = 0; b < K_EACH; b++) {
                scores[a][b] = x + SIDE * b < own && x + SIDE * b < n ? w.scale * scores[a][b] : -INFINITY;
                most = larger(most, scores[a][b]);
            }
            most = side_max(most);
            const float before = most == -INFINITY ? 1 : expf(max[a] - most);
            float part = 0;
#pragma unroll
            for (int b = 0; b < K_EACH; b++) {
                float p = scores[a][b] == -INFINITY ? 0 : expf(scores[a][b] - most);
                weights[(y + SIDE * a) * (KEYS + PAD) + x + SIDE * b] = p;
                part += p;
            }
            sum[a] = sum[a] * before + side_sum(part);
            max[a] = most;
#pragma unroll
            for (int c = 0; c < COLUMNS_EACH; c++)
                out[a][c] *= before;
        }
        __syncwarp(); /* a row of weights is its own warp's */
        for (int j = 0; j < n; j += 4) {
            float4 p[Q_EACH];
#pragma unroll
            for (int a = 0; a < Q_EACH; a++)
                p[a] = load4(weights + (y + SIDE * a) * (KEYS + PAD) + j);
#pragma unroll
            for (int c = 0; c < COLUMNS_EACH; c++) {
                if (SIDE * c >= w.padded)
                    break;
                const int e = x + SIDE * c < w.padded ? x + SIDE * c : w.padded - 1;
                const real *v = values + j * ld + e; /* rows from n on are zero */
                float4 column = make_float4(v[0], v[ld], v[2 * ld], v[3 * ld]);
#pragma unroll
                for (int a = 0; a < Q_EACH; a++)
                    out[a][c] = dot4(p[a], column, out[a][c]);
            }
        }
    }
#pragma unroll
    for (int a = 0; a < Q_EACH; a++) {
        if (y + SIDE * a >= (int)tile.n)
            continue;
        const size_t row = span.q + tile.first + (size_t)(y + SIDE * a);
        if (w.stats && x == 0) {
            w.stats[(row * w.heads + head) * 2] = max[a];
            w.stats[(row * w.heads + head) * 2 + 1] = sum[a];
        }
#pragma unroll
        for (int c = 0; c < COLUMNS_EACH; c++)
            if (x + SIDE * c < w.d)
                w.out[at(w, row, head) + x + SIDE * c] = sum[a] > 0 ? out[a][c] / sum[a] : sum[a]; /* no key: zeros */
    }
}

template <int Q_EACH> static void tiles_run_sized(const Work *w, const QueryTile *tiles, size_t n, int above)
{
    const int rows = Q_EACH * SIDE;
    const size_t bytes = (size_t)(tile_floats(w->padded, rows + 2 * KEYS) + rows * (KEYS + PAD)) * sizeof(real);
    CHECK(cudaFuncSetAttribute(attention_kernel<Q_EACH>, cudaFuncAttributeMaxDynamicSharedMemorySize, (int)bytes));
    attention_kernel<Q_EACH><<<dim3((unsigned)n, (unsigned)w->heads), THREADS, bytes>>>(*w, tiles, above);
    CHECK(cudaGetLastError());
}

static void tiles_run(const Work *w, const AttentionShape *shape)
{
    size_t n;
    bool sizes[3] = {false, false, false};
    const QueryTile *tiles = cuda_attention_tiles(shape, FEW_QUERIES + 1, SIZE_MAX, QUERIES, &n);
    for (size_t i = 0; i < n; i++)
        sizes[tiles[i].n <= SIDE ? 0 : tiles[i].n <= 2 * SIDE ? 1 : 2] = true;
    if (n == 0)
        return;
    tiles = (const QueryTile *)cuda_indices(tiles, n * sizeof *tiles);
    if (sizes[0])
        tiles_run_sized<1>(w, tiles, n, 0);
    if (sizes[1])
        tiles_run_sized<2>(w, tiles, n, SIDE);
    if (sizes[2])
        tiles_run_sized<4>(w, tiles, n, 2 * SIDE);
}

/* ---- query by query ---- */

enum { LANES_EACH = 8, AT_ONCE = WARP / LANES_EACH }; /* lanes that share a key's dot product, keys that a warp scores at once */

/* The sum over the LANES_EACH lanes of a group. */
static __device__ inline float group_sum(float x)
{
    for (int offset = LANES_EACH / 2; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffff, x, offset);
    return x;
}

static __device__ inline float warp_max(float x)
{
    for (int offset = WARP / 2; offset > 0; offset /= 2)
        x = larger(x, __shfl_xor_sync(0xffffffff, x, offset));
    return x;
}

static __device__ inline float warp_sum(float x)
{
    for (int offset = WARP / 2; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffff, x, offset);
    return x;
}

/* Lane j's score of key first + j; -infinity from n on. */
static __device__ inline float warp_scores(const Work &w, const Span &s, size_t q_at, size_t head, long first, int n)
{
    const int lane = (int)threadIdx.x % WARP, part = lane % LANES_EACH, group = lane / LANES_EACH;
    float score = -INFINITY;
#pragma unroll 4
    for (int j = 0; j < n; j += AT_ONCE) {
        const int mine = j + group < n ? j + group : n - 1;
        const real *k = w.k + at(w, key_row(s, (size_t)(first + mine)), head), *q = w.q + q_at;
        float sum = 0;
        for (int e = part; e < w.d; e += LANES_EACH)
            sum = fmaf(q[e], k[e], sum);
        sum = group_sum(sum);
        const float of_lane = __shfl_sync(0xffffffff, sum, lane % AT_ONCE * LANES_EACH); /* lane l: of key j + l % AT_ONCE */
        if (lane / AT_ONCE == j / AT_ONCE && lane < n)
            score = w.scale * of_lane;
    }
    return score;
}

/* A warp per query and head, 32 keys at a time; lane l has the result's columns l, l+32, .. C: how many, at most. */
template <int C> static __global__ void query_kernel(Work w, const QueryTile *queries, size_t n_queries)
{
    const size_t index = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    if (index >= n_queries * w.heads) /* a whole warp */
        return;
    const QueryTile tile = queries[index / w.heads];
    const size_t head = index % w.heads, row = tile.span.q + tile.first;
    const int lane = (int)threadIdx.x % WARP;
    const long seen = (long)tile.span.n_prefix + visible(w, tile.span, tile.first);
    float max = -INFINITY, sum = 0, out[C] = {};
    for (long first = 0; first < seen; first += WARP) {
        const int n = seen - first < WARP ? (int)(seen - first) : (int)WARP;
        const float score = warp_scores(w, tile.span, at(w, row, head), head, first, n);
        const float most = larger(max, warp_max(score));
        const float before = most == -INFINITY ? 1 : expf(max - most);
        const float p = score == -INFINITY ? 0 : expf(score - most);
        sum = sum * before + warp_sum(p);
        max = most;
#pragma unroll
        for (int c = 0; c < C; c++)
            out[c] *= before;
#pragma unroll 4
        for (int j = 0; j < n; j++) {
            const float weight = __shfl_sync(0xffffffff, p, j);
            const real *v = w.v + at(w, key_row(tile.span, (size_t)(first + j)), head);
#pragma unroll
            for (int c = 0; c < C; c++)
                if (lane + WARP * c < w.d)
                    out[c] = fmaf(weight, v[lane + WARP * c], out[c]);
        }
    }
    if (w.stats && lane == 0) {
        w.stats[(row * w.heads + head) * 2] = max;
        w.stats[(row * w.heads + head) * 2 + 1] = sum;
    }
#pragma unroll
    for (int c = 0; c < C; c++)
        if (lane + WARP * c < w.d)
            w.out[at(w, row, head) + lane + WARP * c] = sum > 0 ? out[c] / sum : sum;
}

static void queries_run(const Work *w, const AttentionShape *shape, size_t longest)
{
    size_t n;
    const QueryTile *queries = cuda_attention_tiles(shape, 1, longest, 1, &n);
    if (n == 0)
        return;
    queries = (const QueryTile *)cuda_indices(queries, n * sizeof *queries);
    const unsigned blocks = (unsigned)((n * w->heads + WARPS - 1) / WARPS);
    if (w->d <= WIDEST_HEAD)
        query_kernel<WIDEST_HEAD / WARP><<<blocks, THREADS>>>(*w, queries, n);
    else if (w->d <= WIDEST_OF_ALL)
        query_kernel<WIDEST_OF_ALL / WARP><<<blocks, THREADS>>>(*w, queries, n);
    else
        die("heads of %d columns: on a CUDA device they have at most %d", w->d, (int)WIDEST_OF_ALL);
    CHECK(cudaGetLastError());
}

static void attention(real *out, real *stats, const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    if (shape->q_rows == 0)
        return;
    size_t covered = 0; /* no row is in two spans */
    for (size_t i = 0; i < shape->n_spans; i++)
        covered += shape->spans[i].nq;
    if (covered < shape->q_rows)
        CHECK(cudaMemsetAsync(out, 0, shape->q_rows * shape->cols * sizeof *out, 0));
    Work w = cuda_attention_work(shape, q, k, v);
    w.out = out;
    w.stats = stats;
    const bool wide = w.d > WIDEST_HEAD;
    queries_run(&w, shape, wide ? SIZE_MAX : (size_t)FEW_QUERIES);
    if (!wide)
        tiles_run(&w, shape);
}

void cuda_attention_fill(Kernels *k)
{
    k->attention = attention;
}
