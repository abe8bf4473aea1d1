/*
 * Products with few rows, y = x w^T: dot products along k, weights streamed from memory where they lie, each read once for up to
 * DOT_ROWS rows of x. Nothing is packed. Memory is asked for four rows of w ahead, so that no row begins with a wait.
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
    DOT_DEPTH = 1024,
    DOT_SOON = 512, /* bytes ahead of use that a row of w is asked into the first cache; fewer rows do not wait for it */
};

typedef struct Dot {
    float *y;       /* [m, n] */
    const Input *x; /* [m, k] */
    const void *w;  /* [n, k] */
    const float *bias;
    bool add;
    size_t m, n, k, part; /* part: columns of y (rows of w) in one part of the work */
    Weight kind;
} Dot;

/* Sums of `rows` x `columns` dot products over terms k0 .. k0+depth-1; sums[i] holds row i's. */
INLINE void dot_tile(Weight kind, int rows, int columns, __m128 *sums, const Input *x, const void *w, size_t k, size_t depth)
{
    V acc[DOT_ROWS][DOT_COLUMNS];
    UNROLL
    for (int i = 0; i < rows; i++)
        UNROLL
    for (int j = 0; j < DOT_COLUMNS; j++)
        acc[i][j] = v_zero();
    size_t at = 0;
    for (; at + VL * TERM <= depth; at += VL * TERM) {
        UNROLL
        for (int j = 0; j < columns; j++) {
            _mm_prefetch((const char *)w + (at + (size_t)(j + DOT_COLUMNS) * k) * weight_size(kind), _MM_HINT_T1);
            if (rows > 2)
                _mm_prefetch((const char *)w + (at + (size_t)j * k) * weight_size(kind) + DOT_SOON, _MM_HINT_T0);
            V b = term_weight(kind, w, at + (size_t)j * k);
            UNROLL
            for (int i = 0; i < rows; i++)
                acc[i][j] = term_fma(term_input(x, (size_t)i * k + at), b, acc[i][j]);
        }
    }
    if (at < depth) {
        UNROLL
        for (int j = 0; j < columns; j++) {
            V b = term_weight_n(kind, w, at + (size_t)j * k, depth - at);
            UNROLL
            for (int i = 0; i < rows; i++)
                acc[i][j] = term_fma(term_input_n(x, (size_t)i * k + at, depth - at), b, acc[i][j]);
        }
    }
    UNROLL
    for (int i = 0; i < rows; i++)
        sums[i] = v_sum4(acc[i][0], acc[i][1], acc[i][2], acc[i][3]);
}

/* The tile's sums into y; the first block of terms starts from the bias and what y held, if they are wanted. */
INLINE void dot_store(const Dot *d, int rows, int columns, const __m128 *sums, size_t i0, size_t j0, bool first)
{
    for (int i = 0; i < rows; i++) {
        float *y = d->y + (i0 + (size_t)i) * d->n + j0, sum[4];
        _mm_storeu_ps(sum, sums[i]);
        for (int j = 0; j < columns; j++) {
            float start = first && d->bias ? d->bias[j0 + (size_t)j] : 0;
            if (!first || d->add)
                start += y[j];
            y[j] = start + sum[j];
        }
    }
}

INLINE void dot_rows(const Dot *d, int rows, int columns, size_t i0, size_t j0, size_t k0, size_t depth)
{
    __m128 sums[DOT_ROWS];
    const char *w = (const char *)d->w + (j0 * d->k + k0) * weight_size(d->kind);
    const Input *x = d->x + i0 * d->k + k0;
    switch (d->kind) {
    case WEIGHT_F32:
        dot_tile(WEIGHT_F32, rows, columns, sums, x, w, d->k, depth);
        break;
    case WEIGHT_F16:
        dot_tile(WEIGHT_F16, rows, columns, sums, x, w, d->k, depth);
        break;
    case WEIGHT_BF16:
        dot_tile(WEIGHT_BF16, rows, columns, sums, x, w, d->k, depth);
        break;
    default:
        dot_tile(WEIGHT_F16_ROUNDED, rows, columns, sums, x, w, d->k, depth);
    }
    dot_store(d, rows, columns, sums, i0, j0, k0 == 0);
}

/* One function for each tile, so that its sums stay in registers. */
#define DOT_TILE(r)                                                                      \
    static void dot_##r##x4(const Dot *d, size_t i0, size_t j0, size_t k0, size_t depth) \
    {                                                                                    \
        dot_rows(d, r, 4, i0, j0, k0, depth);                                            \
    }                                                                                    \
    static void dot_##r##x1(const Dot *d, size_t i0, size_t j0, size_t k0, size_t depth) \
    {                                                                                    \
        dot_rows(d, r, 1, i0, j0, k0, depth);                                            \
    }
DOT_TILE(1)
DOT_TILE(2)
DOT_TILE(3)
#if defined __AVX512F__
DOT_TILE(4)
DOT_TILE(5)
DOT_TILE(6)
#endif

typedef void DotTile(const Dot *d, size_t i0, size_t j0, size_t k0, size_t depth);

static DotTile *const dot_tiles[][2] = {
    {dot_1x1, dot_1x4}, {dot_2x1, dot_2x4}, {dot_3x1, dot_3x4},
#if defined __AVX512F__
    {dot_4x1, dot_4x4}, {dot_5x1, dot_5x4}, {dot_6x1, dot_6x4},
#endif
};

/* Rows are dealt to tiles of nearly equal height: 8 rows are 4 + 4, not 6 + 2. */
static void dot_block(const Dot *d, size_t j0, bool four, size_t k0, size_t depth)
{
    size_t tiles = (d->m + DOT_ROWS - 1) / DOT_ROWS, i0 = 0;
    for (size_t t = 0; t < tiles; t++) {
        size_t rows = (d->m - i0) / (tiles - t);
        dot_tiles[rows - 1][four](d, i0, j0, k0, depth);
        i0 += rows;
    }
}

static void dot_part(void *context, size_t part)
{
    const Dot *d = context;
    size_t end = (part + 1) * d->part < d->n ? (part + 1) * d->part : d->n;
    for (size_t j0 = part * d->part; j0 < end;) {
        bool four = j0 + DOT_COLUMNS <= end;
        for (size_t k0 = 0; k0 < d->k; k0 += DOT_DEPTH)
            dot_block(d, j0, four, k0, d->k - k0 < DOT_DEPTH ? d->k - k0 : DOT_DEPTH);
        j0 += four ? DOT_COLUMNS : 1;
    }
}

/* Columns in a part: enough work to pay for handing it out, few enough that threads end together; a multiple of 4. */
INLINE size_t dot_part_columns(size_t m, size_t n, size_t k)
{
    size_t work = m * k, least = work > 65536 ? 1 : 65536 / (work ? work : 1);
    size_t share = n / ((size_t)pool_threads() * 16) + 1;
    share = share > least ? share : least;
    return (share + DOT_COLUMNS - 1) / DOT_COLUMNS * DOT_COLUMNS;
}

static void dot_product(Dot *d)
{
    d->part = dot_part_columns(d->m, d->n, d->k);
    if (d->m && d->n)
        pool_run(dot_part, d, (d->n + d->part - 1) / d->part);
}

#endif
