/*
 * Products with few rows, y = x w^T: dot products along k, weights streamed from memory where they lie, each read once for up to
 * DOT_ROWS rows of x. Nothing is packed. How weights are read decides the speed:
 *
 * - Inputs that stay in the first cache: a tile is a few columns that lie far apart, each the head of one long stream, which the
 *   processor's own prefetcher follows at the pace of a plain read, if lines are touched in their order and inputs miss no cache.
 *   The larger the inputs the more streams share a load of them. Asking for memory in advance only slows this down.
 * - Inputs of several rows, that do not: a tile is four neighbours, memory is asked for four rows of w ahead, by the first tile
 * of the four: every request costs as much as a load.
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
    DOT_ROWS = VEC_REGISTERS == 32 ? 6 : 3, /* x 4 columns of sums fill the registers, less those that hold weights */
    DOT_COLUMNS = 4,
    DOT_STREAMS = 8, /* at most */
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
    size_t streams; /* columns of a tile, n / streams apart; 0: four neighbours */
    size_t part;    /* tiles in one part of the work (their first columns are neighbours), or columns without streams */
} Dot;

/* The vector itself; memory is read in the order in which the program asks for this. */
INLINE V in_order(V x)
{
    __asm__ volatile("" : "+v"(x));
    return x;
}

/* What a tile is: constants once inlined. */
typedef struct DotShape {
    Weight kind;
    int rows, columns;
    int together;      /* vectors of one column before the next's */
    bool streams, ask; /* ask: for the weights behind these */
} DotShape;

/* Sums of rows x columns dot products over terms k0 .. k0+depth-1 into sums; `apart` values from one column's weights to the
 * next's. */
INLINE void dot_tile(DotShape s, float sums[][DOT_STREAMS], const Input *x, const void *w, size_t k, size_t apart, size_t depth)
{
    V acc[DOT_ROWS][DOT_STREAMS];
    UNROLL
    for (int i = 0; i < s.rows; i++)
        UNROLL
    for (int j = 0; j < DOT_STREAMS; j++)
        acc[i][j] = v_zero();
    size_t at = 0, step = VL * TERM, run = step * (size_t)s.together;
    for (; at + run <= depth; at += run) {
        UNROLL
        for (int j = 0; j < s.columns; j++)
            UNROLL
        for (size_t t = at; t < at + run; t += step) {
            size_t here = t + (size_t)j * apart;
            if (s.ask)
                _mm_prefetch((const char *)w + (here + DOT_COLUMNS * k) * weight_size(s.kind), _MM_HINT_T1);
            if (s.ask && s.rows > 2)
                _mm_prefetch((const char *)w + here * weight_size(s.kind) + DOT_SOON, _MM_HINT_T0);
            V b = term_weight(s.kind, w, here);
            if (s.streams)
                b = in_order(b);
            UNROLL
            for (int i = 0; i < s.rows; i++)
                acc[i][j] = term_fma(term_input(x, (size_t)i * k + t), b, acc[i][j]);
        }
    }
    for (; at < depth; at += step) {
        size_t n = depth - at < step ? depth - at : step;
        UNROLL
        for (int j = 0; j < s.columns; j++) {
            V b = term_weight_n(s.kind, w, at + (size_t)j * apart, n);
            UNROLL
            for (int i = 0; i < s.rows; i++)
                acc[i][j] = term_fma(term_input_n(x, (size_t)i * k + at, n), b, acc[i][j]);
        }
    }
    UNROLL
    for (int i = 0; i < s.rows; i++)
        UNROLL
    for (int j = 0; j < s.columns; j += 4)
        _mm_storeu_ps(sums[i] + j, v_sum4(acc[i][j], acc[i][j + 1], acc[i][j + 2], acc[i][j + 3]));
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

/* Terms k0 .. k0+depth-1 of the tile of rows from i0 and columns from j0. */
typedef struct DotPlace {
    size_t i0, j0, k0, depth;
} DotPlace;

INLINE void dot_kind(const Dot *d, DotShape s, const DotPlace *at)
{
    float sums[DOT_ROWS][DOT_STREAMS];
    const char *w = (const char *)d->w + (at->j0 * d->k + at->k0) * weight_size(s.kind);
    size_t apart = s.streams ? d->n / (size_t)s.columns : 1;
    if (s.streams && s.columns == 2)
        s.together = DOT_TOGETHER / (VL * TERM * (int)weight_size(s.kind));
    dot_tile(s, sums, d->x + at->i0 * d->k + at->k0, w, d->k, apart * d->k, at->depth);
    dot_store(d, s, sums, at->i0, at->j0, apart, at->k0 == 0);
}

INLINE void dot_any(const Dot *d, int rows, int columns, bool streams, bool ask, const DotPlace *at)
{
    switch (d->kind) {
    case WEIGHT_F32:
        dot_kind(d, (DotShape){WEIGHT_F32, rows, columns, 1, streams, ask}, at);
        break;
    case WEIGHT_F16:
        dot_kind(d, (DotShape){WEIGHT_F16, rows, columns, 1, streams, ask}, at);
        break;
    case WEIGHT_BF16:
        dot_kind(d, (DotShape){WEIGHT_BF16, rows, columns, 1, streams, ask}, at);
        break;
    default:
        dot_kind(d, (DotShape){WEIGHT_F16_ROUNDED, rows, columns, 1, streams, ask}, at);
    }
}

/* One function for each tile, so that its sums stay in registers. */
#define DOT_TILE(rows, columns)                                                \
    static void dot_##rows##x##columns(const Dot *d, const DotPlace *at)       \
    {                                                                          \
        dot_any(d, rows, columns, false, false, at);                           \
    }                                                                          \
    static void dot_##rows##x##columns##_ask(const Dot *d, const DotPlace *at) \
    {                                                                          \
        dot_any(d, rows, columns, false, true, at);                            \
    }
#define DOT_STREAMS_TILE(rows, columns)                                          \
    static void dot_streams_##rows##x##columns(const Dot *d, const DotPlace *at) \
    {                                                                            \
        dot_any(d, rows, columns, true, false, at);                              \
    }
DOT_TILE(1, 1)
DOT_TILE(1, 4)
DOT_TILE(2, 1)
DOT_TILE(2, 4)
DOT_TILE(3, 1)
DOT_TILE(3, 4)
#if defined __AVX512F__
DOT_TILE(4, 1)
DOT_TILE(4, 4)
DOT_TILE(5, 1)
DOT_TILE(5, 4)
DOT_TILE(6, 1)
DOT_TILE(6, 4)
#endif
DOT_STREAMS_TILE(1, 2)
DOT_STREAMS_TILE(1, 4)
DOT_STREAMS_TILE(1, 8)
DOT_STREAMS_TILE(2, 2)

typedef void DotTile(const Dot *d, const DotPlace *at);

/* [rows - 1][2 ask + (four columns)] */
static DotTile *const dot_tiles[][4] = {
    {dot_1x1, dot_1x4, dot_1x1_ask, dot_1x4_ask}, {dot_2x1, dot_2x4, dot_2x1_ask, dot_2x4_ask},
    {dot_3x1, dot_3x4, dot_3x1_ask, dot_3x4_ask},
#if defined __AVX512F__
    {dot_4x1, dot_4x4, dot_4x1_ask, dot_4x4_ask}, {dot_5x1, dot_5x4, dot_5x1_ask, dot_5x4_ask},
    {dot_6x1, dot_6x4, dot_6x1_ask, dot_6x4_ask},
#endif
};

static DotTile *dot_streams_tile(const Dot *d)
{
    if (d->m == 2)
        return dot_streams_2x2;
    return d->streams == 2 ? dot_streams_1x2 : d->streams == 4 ? dot_streams_1x4 : dot_streams_1x8;
}

/* Rows are dealt to tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2. */
static void dot_block(const Dot *d, bool four, DotPlace at)
{
    size_t tiles = (d->m + DOT_ROWS - 1) / DOT_ROWS;
    for (size_t t = 0; t < tiles; t++) {
        size_t rows = (d->m - at.i0) / (tiles - t);
        dot_tiles[rows - 1][(t == 0) * 2 + four](d, &at);
        at.i0 += rows;
    }
}

INLINE size_t dot_depth(const Dot *d, size_t k0)
{
    return d->k - k0 < DOT_DEPTH ? d->k - k0 : DOT_DEPTH;
}

/* Columns j0 .. end-1, four neighbours at a time. */
static void dot_columns(const Dot *d, size_t j0, size_t end)
{
    while (j0 < end) {
        bool four = j0 + DOT_COLUMNS <= end;
        for (size_t k0 = 0; k0 < d->k; k0 += DOT_DEPTH)
            dot_block(d, four, (DotPlace){0, j0, k0, dot_depth(d, k0)});
        j0 += four ? DOT_COLUMNS : 1;
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
            tile(d, &(DotPlace){0, j0, k0, dot_depth(d, k0)});
    if (end == tiles)
        dot_columns(d, tiles * d->streams, d->n);
}

/* Columns in a part: enough work to pay for handing it out, few enough that threads end together; a multiple of 4. */
INLINE size_t dot_part_columns(size_t m, size_t n, size_t k)
{
    size_t work = m * k, least = work > 65536 ? 1 : 65536 / (work ? work : 1);
    size_t share = n / ((size_t)pool_threads() * 16) + 1;
    share = share > least ? share : least;
    return (share + DOT_COLUMNS - 1) / DOT_COLUMNS * DOT_COLUMNS;
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
