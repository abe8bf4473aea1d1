/*
 * What attention's forward and backward passes share: which keys a query sees, tiles of rows in shared memory, small products of
 * tiles by the 16 by 16 threads of a block.
 */
#ifndef TENSOR_CUDA_ATTENTION_CUH
#define TENSOR_CUDA_ATTENTION_CUH

#include <cuda_pipeline.h>

#include "tensor/cuda/device.cuh"

enum {
    SIDE = 16,       /* threads are SIDE by SIDE: y counts queries, x keys or columns */
    KEYS = 64,       /* of a tile */
    WIDEST_HEAD = 128,
    PAD = 4,         /* behind a row of a tile: neighbours begin in other banks, vectors stay aligned */
};

/* A call's matrices, [rows, cols]; a head has d columns of them. */
typedef struct Work {
    real *out, *stats;
    real *dq, *dk, *dv;
    const real *dout, *kept_stats;
    const real *dots; /* [q_rows, heads]: dout . out */
    const real *q, *k, *v;
    size_t heads, cols;
    int d, padded; /* padded: d and 0 to 3 more, a whole number of vectors */
    real scale;
    bool causal, vectors; /* vectors: heads and matrices begin where float4 may */
} Work;

/* Where row `row` has the values of a head. */
static __device__ inline size_t at(const Work &w, size_t row, size_t head)
{
    return row * w.cols + head * (size_t)w.d;
}

/* Keys that query i of a span sees, of its own. */
static __device__ inline long visible(const Work &w, const Span &s, long i)
{
    if (!w.causal)
        return (long)s.nk;
    long n = (long)s.nk + i + 1 - (long)s.nq;
    return n > 0 ? n : 0;
}

/* The row of a span's j-th key: the prefix first, then its own. */
static __device__ inline size_t key_row(const Span &s, size_t j)
{
    return j < s.n_prefix ? s.prefix + j : s.k + j - s.n_prefix;
}

/* Floats of a tile of `rows` rows. */
static __host__ __device__ inline int tile_floats(int padded, int rows)
{
    return (padded + PAD) * rows;
}

static __device__ inline float4 load4(const real *p)
{
    return *(const float4 *)p;
}

static __device__ inline float dot4(float4 a, float4 b, float c)
{
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, c))));
}

/* Groups of SIDE rows that n rows fill, wholly or in part. */
static __device__ inline int groups_of_rows(int n)
{
    return (n + SIDE - 1) / SIDE;
}

/* scores[a][b] += rows (y + SIDE a) of the one tile times rows (x + SIDE b) of the other, for the first m and n groups. */
template <int M, int N>
static __device__ inline void tile_product(float (&scores)[M][N], const real *queries, const real *keys, int padded, int m, int n,
                                           int x, int y)
{
    const int ld = padded + PAD;
    for (int e = 0; e < padded; e += 4) {
        float4 q[M], k[N];
#pragma unroll
        for (int a = 0; a < M; a++)
            if (a < m)
                q[a] = load4(queries + (y + SIDE * a) * ld + e);
#pragma unroll
        for (int b = 0; b < N; b++)
            if (b < n)
                k[b] = load4(keys + (x + SIDE * b) * ld + e);
#pragma unroll
        for (int b = 0; b < N; b++)
            if (b < n)
#pragma unroll
                for (int a = 0; a < M; a++)
                    if (a < m)
                        scores[a][b] = dot4(q[a], k[b], scores[a][b]);
    }
}

/*
 * Row `row` of a matrix into a tile's row, by a warp; columns from d on are zero, and the whole row unless `there`. Vectors are
 * only asked for: tiles_arrive waits for those of all rows.
 */
static __device__ inline void row_load(real *to, const Work &w, const real *from, size_t row, size_t head, bool there)
{
    const int lane = (int)threadIdx.x % 32;
    const real *x = from + at(w, row, head);
    if (w.vectors)
        for (int e = 4 * lane; e < w.padded; e += 4 * 32)
            __pipeline_memcpy_async(to + e, x + e, sizeof(float4), there ? 0 : sizeof(float4));
    else
        for (int e = lane; e < w.padded; e += 32)
            to[e] = there && e < w.d ? x[e] : 0;
}

/* Waits for every row that the block has asked for. */
static __device__ inline void tiles_arrive(void)
{
    __pipeline_commit();
    __pipeline_wait_prior(0);
    __syncthreads();
}

/* The tile's rows 0 .. rows-1 from rows first, first+1, .. of a matrix; rows from n on are zero. */
static __device__ inline void tile_load(real *tile, const Work &w, const real *from, size_t first, int n, int rows, size_t head)
{
    for (int r = (int)threadIdx.x / 32; r < rows; r += THREADS / 32)
        row_load(tile + r * (w.padded + PAD), w, from, first + (size_t)(r < n ? r : 0), head, r < n);
}

/* The same for a span's keys or values. n > 0. */
static __device__ inline void tile_load_keys(real *tile, const Work &w, const real *from, const Span &s, size_t first, int n,
                                             size_t head)
{
    for (int r = (int)threadIdx.x / 32; r < KEYS; r += THREADS / 32)
        row_load(tile + r * (w.padded + PAD), w, from, key_row(s, first + (size_t)(r < n ? r : 0)), head, r < n);
}

/* What both passes know. */
Work cuda_attention_work(const AttentionShape *shape, const real *q, const real *k, const real *v);

/* Queries first .. first+n-1 of a span: a block's work. */
typedef struct QueryTile {
    Span span;
    uint32_t first, n;
} QueryTile;

/* Spans of shortest .. longest queries cut into tiles of at most `size`. In memory of this function's, until its next call. */
const QueryTile *cuda_attention_tiles(const AttentionShape *shape, size_t shortest, size_t longest, size_t size, size_t *n);

#endif
