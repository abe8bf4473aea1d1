/*
 * Products with few rows, y = x w^T: dot products along k, weights streamed from memory where they lie, each read once for up to
 * DOT_ROWS rows of x. Nothing is packed. How weights are read decides the speed:
 *
 * - Inputs that stay in the first cache: a tile is a few columns that lie far apart, each the head of one long stream, which the
 *   processor's own prefetcher follows at the pace of a plain read, if lines are touched in their order and inputs miss no cache.
 *   The larger the inputs the more streams share a load of them. Asking for memory in advance only slows this down.
 * - Inputs of several rows, that do not: a tile is a few neighbours, and the tiles that meet the same weights share the asking
 * for those behind them. So memory is at work all the time; and every request costs as much as a load.
 *
 * Every y is computed by the same sums in the same order whatever the number of rows and threads: lane l of a vector sums the
 * terms k = l modulo VL of a block of DOT_DEPTH terms, the lanes are added by one tree, then the blocks. A caption so does not
 * depend on its batch.
 */
#ifndef TENSOR_CPU_DOT_VEC_H
#define TENSOR_CPU_DOT_VEC_H

#include "base/pool.h"
#include "tensor/cpu/weight_vec.h" /* and terms_f32.h or terms_bf16.h, chosen by the includer */

enum {
    DOT_ROWS = VEC_REGISTERS == 32 ? 6 : 4,
    DOT_WHOLE = VEC_REGISTERS == 32 ? 4 : 12, /* columns that tiles of every width fill */
    DOT_STREAMS = 8,                          /* at most */
    DOT_DEPTH = 1024,
    DOT_SOON = 512,          /* bytes ahead of use that a row of w is asked into the first cache; fewer rows do not wait for it */
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

/* What a tile is: constants once inlined. */
typedef struct DotShape {
    Weight kind;
    int rows, columns;
    int together; /* vectors of one column before the next's */
    bool streams;
    int ask; /* columns whose weights are asked for meanwhile */
} DotShape;

/* Where a tile's operands lie: `apart` values from one column's weights to the next's; asked: the first weights to ask for. */
typedef struct DotReads {
    const Input *x;
    const char *w, *asked;
    size_t k, apart;
} DotReads;

typedef V DotSums[DOT_ROWS][DOT_STREAMS];

INLINE DotReads dot_reads_at(DotShape s, DotReads r, size_t term)
{
    const size_t bytes = term * weight_size(s.kind);
    return (DotReads){r.x + term, r.w + bytes, r.asked + bytes, r.k, r.apart};
}

/* One vector of terms of neighbours. What there is more of, rows or columns, passes by what there is less of, which is held. */
INLINE void dot_neighbours_step(DotShape s, DotSums sums, DotReads r)
{
    V held[4];
    /* Addresses are made of a few registers; else there is one for each row and column, which are too many. */
    __asm__("" : "+r"(r.x), "+r"(r.w));
    UNROLL
    for (int j = 0; j < s.ask; j++)
        _mm_prefetch(r.asked + (size_t)j * r.apart * weight_size(s.kind), _MM_HINT_T1);
    const int soon = s.ask == s.columns && s.rows > 2 ? s.columns : 0;
    UNROLL
    for (int j = 0; j < soon; j++)
        _mm_prefetch(r.w + (size_t)j * r.apart * weight_size(s.kind) + DOT_SOON, _MM_HINT_T0);
    if (s.rows > s.columns) {
        UNROLL
        for (int j = 0; j < s.columns; j++)
            held[j] = term_weight(s.kind, r.w, (size_t)j * r.apart);
        UNROLL
        for (int i = 0; i < s.rows; i++) {
            V a = term_input(r.x, (size_t)i * r.k);
            UNROLL
            for (int j = 0; j < s.columns; j++)
                sums[i][j] = term_fma(a, held[j], sums[i][j]);
        }
        return;
    }
    UNROLL
    for (int i = 0; i < s.rows; i++)
        held[i] = term_input(r.x, (size_t)i * r.k);
    UNROLL
    for (int j = 0; j < s.columns; j++) {
        V b = term_weight(s.kind, r.w, (size_t)j * r.apart);
        UNROLL
        for (int i = 0; i < s.rows; i++)
            sums[i][j] = term_fma(held[i], b, sums[i][j]);
    }
}

/* `together` vectors of terms of every stream, in this order. */
INLINE void dot_streams_step(DotShape s, DotSums sums, DotReads r)
{
    UNROLL
    for (int j = 0; j < s.columns; j++)
        UNROLL
    for (size_t t = 0; t < (size_t)s.together * VL * TERM; t += VL * TERM) {
        V b = term_weight(s.kind, r.w, t + (size_t)j * r.apart);
        __asm__ volatile("" : "+v"(b)); /* memory is read in the order in which the program asks for this */
        UNROLL
        for (int i = 0; i < s.rows; i++)
            sums[i][j] = term_fma(term_input(r.x, (size_t)i * r.k + t), b, sums[i][j]);
    }
}

/* The last n terms, or a vector of them where several would go together. */
INLINE void dot_rest_step(DotShape s, DotSums sums, DotReads r, size_t n)
{
    UNROLL
    for (int j = 0; j < s.columns; j++) {
        V b = term_weight_n(s.kind, r.w, (size_t)j * r.apart, n);
        UNROLL
        for (int i = 0; i < s.rows; i++)
            sums[i][j] = term_fma(term_input_n(r.x, (size_t)i * r.k, n), b, sums[i][j]);
    }
}

/* Sums of rows x columns dot products over `depth` terms. */
INLINE void dot_tile(DotShape s, float to[][DOT_STREAMS], DotReads r, size_t depth)
{
    DotSums sums;
    UNROLL
    for (int i = 0; i < s.rows; i++)
        UNROLL
    for (int j = 0; j < DOT_STREAMS; j++)
        sums[i][j] = v_zero();
    size_t at = 0, step = VL * TERM, run = step * (size_t)s.together;
    for (; at + run <= depth; at += run)
        if (s.streams)
            dot_streams_step(s, sums, dot_reads_at(s, r, at));
        else
            dot_neighbours_step(s, sums, dot_reads_at(s, r, at));
    for (; at < depth; at += step)
        dot_rest_step(s, sums, dot_reads_at(s, r, at), depth - at < step ? depth - at : step);
    UNROLL
    for (int i = 0; i < s.rows; i++)
        UNROLL
    for (int j = 0; j < s.columns; j += 4)
        _mm_storeu_ps(to[i] + j, v_sum4(sums[i][j], sums[i][j + 1], sums[i][j + 2], sums[i][j + 3]));
}

/* The tile's sums into y; the first block of terms starts from the bias and what y held, if they are wanted. */
INLINE void dot_store(const Dot *d, DotShape s, float sums[][DOT_STREAMS], size_t i0, size_t j0, size_t apart, bool first)
{
    const float *bias = first ? d->bias : NULL;
    bool add = !first || d->add;
    if (!s.streams && s.columns == 4) {
        UNROLL
        for (int i = 0; i < s.rows; i++) {
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

/* Terms k0 .. k0+depth-1 of the tile of rows from i0 and columns from j0; the column from which on weights are asked for. */
typedef struct DotPlace {
    size_t i0, j0, k0, depth, asked;
} DotPlace;

INLINE void dot_kind(const Dot *d, DotShape s, const DotPlace *at)
{
    float sums[DOT_ROWS][DOT_STREAMS];
    const char *w = (const char *)d->w + at->k0 * weight_size(s.kind);
    size_t apart = s.streams ? d->n / (size_t)s.columns : 1, row = d->k * weight_size(s.kind);
    if (s.streams && s.columns == 2)
        s.together = DOT_TOGETHER / (VL * TERM * (int)weight_size(s.kind));
    dot_tile(s, sums, (DotReads){d->x + at->i0 * d->k + at->k0, w + at->j0 * row, w + at->asked * row, d->k, apart * d->k},
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
#define DOT_TILE(r, c, a)                                                                 \
    static void dot_##r##x##c##_##a(const Dot *d, const DotPlace *at)                     \
    {                                                                                     \
        dot_any(d, (DotShape){.rows = r, .columns = c, .ask = (a) == 3 ? (c) : (a)}, at); \
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

static DotTile *dot_neighbours_tile(size_t rows, size_t columns, size_t ask)
{
    if (columns == 1)
        return dot_singles[rows - 1];
#if !defined __AVX512F__
    if (columns == 3)
        return dot_threes[rows - 3][ask];
#endif
    return dot_fours[rows - 1][ask < columns ? ask : 3];
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

/* Rows are dealt to tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2. So are the columns behind these to be asked for.
 */
static void dot_block(const Dot *d, DotTiling tiling, size_t columns, DotPlace at)
{
    size_t tiles = (d->m + tiling.rows - 1) / tiling.rows, asked = 0;
    for (size_t t = 0; t < tiles; t++) {
        size_t rows = (d->m - at.i0) / (tiles - t), ask = (t + 1) * columns / tiles - asked;
        at.asked = at.j0 + columns + asked;
        dot_neighbours_tile(rows, columns, ask)(d, &at);
        at.i0 += rows;
        asked += ask;
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
