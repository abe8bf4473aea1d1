/*
 * Products with few rows, y = x w^T: dot products along k, weights streamed from memory where they lie, each read once for up to
 * DOT_ROWS rows of x. Nothing is packed. How weights are read decides the speed:
 *
 * - Inputs that stay in the first cache: a tile is a few columns that lie far apart, each the head of one long stream, which the
 *   processor's own prefetcher follows at the pace of a plain read, if lines are touched in their order and inputs miss no cache.
 *   The larger the inputs the more streams share a load of them. Asking for memory in advance only slows this down.
 * - Inputs of several rows, that do not: a tile is a few neighbours, and tiles that meet the same weights share the asking for
 *   those behind them. So memory is at work all the time; and every request costs as much as a load.
 *
 * Every y is computed by the same sums in the same order whatever the number of rows and threads: lane l of a vector sums the
 * terms k = l modulo VL of a block of DOT_DEPTH terms, the lanes are added by one tree, then the blocks. A caption so does not
 * depend on its batch.
 */
#ifndef TENSOR_CPU_VEC_DOT_VEC_H
#define TENSOR_CPU_VEC_DOT_VEC_H

#include "base/pool.h"
#include "tensor/cpu/vec/dot_tile_vec.h"

enum {
    DOT_WHOLE = VEC_REGISTERS == 32 ? 4 : 12, /* columns that tiles of every width fill */
    DOT_DEPTH = 1024,
    DOT_RESIDENT = 12 << 10, /* bytes of inputs that stay in the first cache while weights stream through it */
    DOT_TOGETHER = 128,      /* bytes of one of two streams before it is the other's turn */
};

typedef struct Dot {
    float *y;       /* [m, n] */
    const Input *x; /* [m, k] */
    const void *w;  /* [n, k] */
    const float *bias;
    bool add;
    size_t m, n, k;
    Weight kind;
    size_t streams; /* columns of a tile, n / streams apart; 0: neighbours */
    size_t part;    /* tiles in one part of the work (their first columns are neighbours), or columns without streams */
} Dot;

/* The tile's sums into y; the first block of terms starts from the bias and what y held, if they are wanted. */
INLINE void dot_store(const Dot *d, DotShape s, float sums[][DOT_STREAMS], size_t i0, size_t j0, size_t apart, bool first)
{
    const float *bias = first ? d->bias : NULL;
    bool add = !first || d->add;
    if (!s.streams && s.columns == 4) {
        UNROLL_FOR (int i = 0; i < s.rows; i++) {
            float *y = d->y + (i0 + (size_t)i) * d->n + j0;
            __m128 start = bias ? _mm_loadu_ps(bias + j0) : _mm_setzero_ps();
            if (add)
                start = _mm_add_ps(start, _mm_loadu_ps(y));
            _mm_storeu_ps(y, _mm_add_ps(start, _mm_loadu_ps(sums[i])));
        }
        return;
    }
    for (int i = 0; i < s.rows; i++)
        for (int j = 0; j < s.columns; j++) {
            size_t column = j0 + (size_t)j * apart;
            float *y = d->y + (i0 + (size_t)i) * d->n + column, start = bias ? bias[column] : 0;
            if (add)
                start += *y;
            *y = start + sums[i][j];
        }
}

/* Terms k0 .. k0+depth-1 of the tile of rows from i0 and columns from j0; the column from which on weights are prefetched. */
typedef struct DotPlace {
    size_t i0, j0, k0, depth, prefetched;
} DotPlace;

INLINE void dot_kind(const Dot *d, DotShape s, const DotPlace *at)
{
    float sums[DOT_ROWS][DOT_STREAMS];
    const char *w = (const char *)d->w + at->k0 * weight_size(s.kind);
    size_t apart = s.streams ? d->n / (size_t)s.columns : 1, row = d->k * weight_size(s.kind);
    if (s.streams && s.columns == 2)
        s.together = DOT_TOGETHER / (VL * TERM * (int)weight_size(s.kind));
    dot_tile(s, sums, (DotReads){d->x + at->i0 * d->k + at->k0, w + at->j0 * row, w + at->prefetched * row, d->k, apart * d->k},
             at->depth);
    dot_store(d, s, sums, at->i0, at->j0, apart, at->k0 == 0);
}

INLINE void dot_any(const Dot *d, DotShape s, const DotPlace *at)
{
    s.together = 1;
    switch (d->kind) {
    case WEIGHT_F32:
        s.kind = WEIGHT_F32;
        dot_kind(d, s, at);
        break;
    case WEIGHT_F16:
        s.kind = WEIGHT_F16;
        dot_kind(d, s, at);
        break;
    case WEIGHT_BF16:
        s.kind = WEIGHT_BF16;
        dot_kind(d, s, at);
        break;
    default:
        s.kind = WEIGHT_F16_ROUNDED;
        dot_kind(d, s, at);
    }
}

/* One function for each tile, so that its sums stay in registers: dot_ROWSxCOLUMNS_ASK, where an ASK of 3 is all columns. */
#define DOT_TILE(r, c, a)                                                                      \
    static void dot_##r##x##c##_##a(const Dot *d, const DotPlace *at)                          \
    {                                                                                          \
        dot_any(d, (DotShape){.rows = r, .columns = c, .prefetch = (a) == 3 ? (c) : (a)}, at); \
    }
#define DOT_TILES(r, c) DOT_TILE(r, c, 0) DOT_TILE(r, c, 1) DOT_TILE(r, c, 2) DOT_TILE(r, c, 3)
#define DOT_TILES_OF(r, c)                                                         \
    {                                                                              \
        dot_##r##x##c##_0, dot_##r##x##c##_1, dot_##r##x##c##_2, dot_##r##x##c##_3 \
    }
#define DOT_STREAMS_TILE(r, c)                                                \
    static void dot_streams_##r##x##c(const Dot *d, const DotPlace *at)       \
    {                                                                         \
        dot_any(d, (DotShape){.rows = r, .columns = c, .streams = true}, at); \
    }

typedef void DotTile(const Dot *d, const DotPlace *at);

DOT_STREAMS_TILE(1, 2)
DOT_STREAMS_TILE(1, 4)
DOT_STREAMS_TILE(1, 8)
DOT_STREAMS_TILE(2, 2)
DOT_TILE(1, 1, 0)
DOT_TILE(2, 1, 0)
DOT_TILE(3, 1, 0)
DOT_TILE(4, 1, 0)
DOT_TILES(1, 4)
DOT_TILES(2, 4)
DOT_TILES(3, 4)
#if defined __AVX512F__
DOT_TILE(5, 1, 0)
DOT_TILE(6, 1, 0)
DOT_TILES(4, 4)
DOT_TILES(5, 4)
DOT_TILES(6, 4)
static DotTile *const dot_singles[] = {dot_1x1_0, dot_2x1_0, dot_3x1_0, dot_4x1_0, dot_5x1_0, dot_6x1_0};
static DotTile *const dot_fours[][4] = {DOT_TILES_OF(1, 4), DOT_TILES_OF(2, 4), DOT_TILES_OF(3, 4),
                                        DOT_TILES_OF(4, 4), DOT_TILES_OF(5, 4), DOT_TILES_OF(6, 4)};
#else
DOT_TILES(3, 3)
DOT_TILES(4, 3)
static DotTile *const dot_singles[] = {dot_1x1_0, dot_2x1_0, dot_3x1_0, dot_4x1_0};
static DotTile *const dot_fours[][4] = {DOT_TILES_OF(1, 4), DOT_TILES_OF(2, 4), DOT_TILES_OF(3, 4)};
static DotTile *const dot_threes[][4] = {DOT_TILES_OF(3, 3), DOT_TILES_OF(4, 3)};
#endif

static DotTile *dot_streams_tile(const Dot *d)
{
    if (d->m == 2)
        return dot_streams_2x2;
    return d->streams == 2 ? dot_streams_1x2 : d->streams == 4 ? dot_streams_1x4 : dot_streams_1x8;
}

static DotTile *dot_neighbours_tile(size_t rows, size_t columns, size_t prefetch)
{
    if (columns == 1)
        return dot_singles[rows - 1];
#if !defined __AVX512F__
    if (columns == 3)
        return dot_threes[rows - 3][prefetch];
#endif
    return dot_fours[rows - 1][prefetch < columns ? prefetch : 3];
}

/* The most rows and the columns of the tiles that m rows are dealt to. */
typedef struct DotTiling {
    size_t rows, columns;
} DotTiling;

/* 12 sums are enough to wait for none; of 16 registers 12 are sums, and tiles of 3 and 4 rows make up every m but 1, 2 and 5. */
static DotTiling dot_tiling(size_t m)
{
    if (VEC_REGISTERS == 32)
        return (DotTiling){6, 4};
    return m % 3 == 0 || m < 4 || m == 5 ? (DotTiling){3, 4} : (DotTiling){4, 3};
}

/* Rows are dealt to tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2. So are the columns to be prefetched. */
static void dot_block(const Dot *d, DotTiling tiling, size_t columns, DotPlace at)
{
    size_t tiles = (d->m + tiling.rows - 1) / tiling.rows, prefetched = 0;
    for (size_t t = 0; t < tiles; t++) {
        size_t rows = (d->m - at.i0) / (tiles - t), prefetch = (t + 1) * columns / tiles - prefetched;
        at.prefetched = at.j0 + columns + prefetched;
        dot_neighbours_tile(rows, columns, prefetch)(d, &at);
        at.i0 += rows;
        prefetched += prefetch;
    }
}

INLINE size_t dot_depth(const Dot *d, size_t k0)
{
    return d->k - k0 < DOT_DEPTH ? d->k - k0 : DOT_DEPTH;
}

/* Columns j0 .. end-1, a few neighbours at a time. */
static void dot_columns(const Dot *d, size_t j0, size_t end)
{
    const DotTiling tiling = dot_tiling(d->m);
    while (j0 < end) {
        size_t columns = j0 + tiling.columns <= end ? tiling.columns : 1;
        for (size_t k0 = 0; k0 < d->k; k0 += DOT_DEPTH)
            dot_block(d, tiling, columns, (DotPlace){.j0 = j0, .k0 = k0, .depth = dot_depth(d, k0)});
        j0 += columns;
    }
}

static void dot_columns_part(void *context, size_t part)
{
    const Dot *d = context;
    size_t end = (part + 1) * d->part;
    dot_columns(d, part * d->part, end < d->n ? end : d->n);
}

/* The last part has the columns over, too. */
static void dot_streams_part(void *context, size_t part)
{
    const Dot *d = context;
    DotTile *tile = dot_streams_tile(d);
    size_t tiles = d->n / d->streams, end = (part + 1) * d->part < tiles ? (part + 1) * d->part : tiles;
    for (size_t j0 = part * d->part; j0 < end; j0++)
        for (size_t k0 = 0; k0 < d->k; k0 += DOT_DEPTH)
            tile(d, &(DotPlace){.j0 = j0, .k0 = k0, .depth = dot_depth(d, k0)});
    if (end == tiles)
        dot_columns(d, tiles * d->streams, d->n);
}

/* Columns in a part: enough work to pay for handing it out, few enough that threads end together; whole tiles. */
INLINE size_t dot_part_columns(size_t m, size_t n, size_t k)
{
    size_t work = m * k, least = work > 65536 ? 1 : 65536 / (work ? work : 1);
    size_t share = n / ((size_t)pool_threads() * 16) + 1;
    share = share > least ? share : least;
    return (share + DOT_WHOLE - 1) / DOT_WHOLE * DOT_WHOLE;
}

/* How many streams read w best: more where inputs come from the second cache, so that one load of them serves more weights. */
INLINE size_t dot_streams(const Dot *d)
{
    if (d->m <= 2 && d->m * d->k * sizeof(Input) <= DOT_RESIDENT)
        return 2;
    return d->m > 1 ? 0 : sizeof(Input) > weight_size(d->kind) ? 8 : 4;
}

static void dot_product(Dot *d)
{
    if (d->m == 0 || d->n == 0)
        return;
    d->streams = dot_streams(d);
    d->part = dot_part_columns(d->m, d->n, d->k);
    if (d->streams == 0 || d->n < d->streams) {
        pool_run(dot_columns_part, d, (d->n + d->part - 1) / d->part);
        return;
    }
    d->part = (d->part + d->streams - 1) / d->streams;
    pool_run(dot_streams_part, d, (d->n / d->streams + d->part - 1) / d->part);
}

#endif
