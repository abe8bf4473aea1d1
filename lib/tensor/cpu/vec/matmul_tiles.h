/*
 * Products with 16-bit weights over tiles (tiles_amx.h or tiles_emulated.h, chosen by the includer): bf16 inputs, f32 sums.
 *
 * A product of tiles wants its left factor as rows of 32 values and its right one as pairs along the contraction. So that mapped
 * weights are read where they lie, the forward computes y^T = w x^T with w on the left, and only x is packed; dx = dy w has w on
 * the right and interleaves two rows of it at a time. Each sum runs over the contraction in order, however it is blocked: a row
 * of y does not depend on the others.
 */
#ifndef TENSOR_CPU_VEC_MATMUL_TILES_H
#define TENSOR_CPU_VEC_MATMUL_TILES_H

#include "base/pool.h"
#include "tensor/cpu/scratch.h"
#include "tensor/cpu/vec/lower_vec.h"
#include "tensor/cpu/vec/weight_vec.h"

enum {
    TILE = 16,               /* rows of a tile */
    TILE_DEPTH = 32,         /* values along the contraction in one */
    TILE_VALUES = 256,       /* f32 sums in one */
    PACKED_TILE = 512,       /* bf16 values in one */
    BLOCK_STEPS = 16,        /* steps of TILE_DEPTH at a time: a pair of packed tiles (32 KB) stays in the first cache */
    FORWARD_ROWS = 512 / 16, /* tiles of rows at a time: their sums stay in the second cache; of x */
    DX_ROWS = 1024 / 32,     /* of dy, pairs of tiles */
    FORWARD_GROUPS = 8,      /* pairs of tiles of rows of w in one part */
    DX_COLUMNS = 8           /* tiles of columns of dx in one part */
};

typedef struct TileProduct {
    float *y;       /* y [m, n], or dx [m, k] */
    const float *x; /* x [m, k], or dy [m, n] */
    const float *bias;
    bool add;
    Weight kind;       /* WEIGHT_F16 or WEIGHT_BF16 */
    const uint16_t *w; /* [n, k] */
    size_t m, n, k;
    size_t steps;        /* of TILE_DEPTH along the contraction */
    size_t units, parts; /* pairs of tiles of rows of w, or tiles of columns of dx; and parts they are dealt to */
    uint16_t *packed;    /* x or dy */
} TileProduct;

INLINE size_t tiles_least(size_t a, size_t b)
{
    return a < b ? a : b;
}

INLINE size_t tiles_of(size_t n, size_t size)
{
    return (n + size - 1) / size;
}

/* The nearest bf16 of 16 floats. */
INLINE __m256i narrow_bf16(V x)
{
    return _mm512_cvtepi32_epi16(_mm512_srli_epi32(_mm512_castps_si512(v_round_bf16(x)), 16));
}

/* n <= 16 values as bf16, zeros behind them. */
INLINE __m256i row_of_weights(Weight kind, const uint16_t *w, size_t n)
{
    __m256i h = _mm256_maskz_loadu_epi16(v_mask(n), w);
    return kind == WEIGHT_BF16 ? h : narrow_bf16(v_from_f16(h));
}

INLINE __m256i row_of_inputs(const float *x, size_t n)
{
    return narrow_bf16(v_load_n(x, n));
}

/* --- One block of the product: 2 left tiles x 1 or 2 right ones. --- */

typedef struct TileBlock {
    const uint16_t *left; /* 32 rows, `stride` values apart */
    size_t stride;
    const uint16_t *right[2]; /* packed tiles, one after the other along the contraction; the second may be NULL */
    size_t steps;
    float *sums;           /* [2 left][2 right] tiles */
    bool first;            /* sums begin at zero */
    const uint16_t *ahead; /* rows that will be the left ones next: prefetched; may be NULL */
} TileBlock;

INLINE void prefetch_ahead(const TileBlock *b, size_t step)
{
    for (size_t i = 0; i < 2 * TILE; i++)
        _mm_prefetch((const char *)(b->ahead + i * b->stride + step * TILE_DEPTH), _MM_HINT_T1);
}

static void block_2x2(const TileBlock *b)
{
    float *c = b->sums;
    if (b->first) {
        TILE_ZERO(0);
        TILE_ZERO(1);
        TILE_ZERO(2);
        TILE_ZERO(3);
    } else {
        TILE_LOAD(0, c, 64);
        TILE_LOAD(1, c + TILE_VALUES, 64);
        TILE_LOAD(2, c + 2 * TILE_VALUES, 64);
        TILE_LOAD(3, c + 3 * TILE_VALUES, 64);
    }
    for (size_t s = 0; s < b->steps; s++) {
        const uint16_t *left = b->left + s * TILE_DEPTH;
        if (b->ahead)
            prefetch_ahead(b, s);
        TILE_LOAD(4, left, b->stride * 2);
        TILE_LOAD(6, b->right[0] + s * PACKED_TILE, 64);
        TILE_DP(0, 4, 6);
        TILE_LOAD(7, b->right[1] + s * PACKED_TILE, 64);
        TILE_DP(1, 4, 7);
        TILE_LOAD(5, left + TILE * b->stride, b->stride * 2);
        TILE_DP(2, 5, 6);
        TILE_DP(3, 5, 7);
    }
    TILE_STORE(0, c, 64);
    TILE_STORE(1, c + TILE_VALUES, 64);
    TILE_STORE(2, c + 2 * TILE_VALUES, 64);
    TILE_STORE(3, c + 3 * TILE_VALUES, 64);
}

static void block_2x1(const TileBlock *b)
{
    float *c = b->sums;
    if (b->first) {
        TILE_ZERO(0);
        TILE_ZERO(2);
    } else {
        TILE_LOAD(0, c, 64);
        TILE_LOAD(2, c + 2 * TILE_VALUES, 64);
    }
    for (size_t s = 0; s < b->steps; s++) {
        const uint16_t *left = b->left + s * TILE_DEPTH;
        if (b->ahead)
            prefetch_ahead(b, s);
        TILE_LOAD(6, b->right[0] + s * PACKED_TILE, 64);
        TILE_LOAD(4, left, b->stride * 2);
        TILE_DP(0, 4, 6);
        TILE_LOAD(5, left + TILE * b->stride, b->stride * 2);
        TILE_DP(2, 5, 6);
    }
    TILE_STORE(0, c, 64);
    TILE_STORE(2, c + 2 * TILE_VALUES, 64);
}

static void block_run(const TileBlock *b)
{
    if (b->right[1])
        block_2x2(b);
    else
        block_2x1(b);
}

/* --- y = x w^T. --- */

/* 16 rows of x as right tiles: for each step [16 pairs along k][16 rows]. */
static void pack_x_part(void *context, size_t tile)
{
    const TileProduct *p = context;
    uint16_t *to = p->packed + tile * p->steps * PACKED_TILE;
    for (size_t k0 = 0; k0 < p->k; k0 += TILE_DEPTH, to += PACKED_TILE) {
        V rows[VL];
        size_t n = tiles_least(TILE_DEPTH, p->k - k0), low = tiles_least(TILE, n);
        for (size_t i = 0; i < VL; i++) {
            const float *x = p->x + (tile * TILE + i) * p->k + k0;
            bool is = tile * TILE + i < p->m;
            __m256i a = is ? row_of_inputs(x, low) : _mm256_setzero_si256();
            __m256i b = is && n > TILE ? row_of_inputs(x + TILE, n - TILE) : _mm256_setzero_si256();
            rows[i] = _mm512_castsi512_ps(_mm512_inserti64x4(_mm512_castsi256_si512(a), b, 1));
        }
        v_transpose(rows);
        for (size_t i = 0; i < VL; i++)
            v_store((float *)to + i * TILE, rows[i]);
    }
}

/* 32 rows of w from row j0, values k0 .. k0 + 32 steps - 1, as bf16 with zeros where w ends. */
static void copy_rows(const TileProduct *p, uint16_t *to, size_t j0, size_t k0, size_t steps)
{
    for (size_t j = 0; j < 2 * TILE; j++)
        for (size_t at = 0; at < steps * TILE_DEPTH; at += TILE) {
            size_t n = j0 + j < p->n && k0 + at < p->k ? tiles_least(TILE, p->k - k0 - at) : 0;
            const uint16_t *w = n ? p->w + (j0 + j) * p->k + k0 + at : p->w;
            _mm256_storeu_si256((__m256i *)(to + j * steps * TILE_DEPTH + at), row_of_weights(p->kind, w, n));
        }
}

/* Sums of y^T, [16 columns][16 rows] from column j0 and row i0, into y. */
static void store_transposed(const TileProduct *p, const float *sums, size_t i0, size_t j0)
{
    V r[VL];
    size_t columns = j0 < p->n ? tiles_least(TILE, p->n - j0) : 0;
    for (size_t i = 0; i < VL; i++)
        r[i] = v_load(sums + i * TILE);
    v_transpose(r);
    V bias = p->bias && columns ? v_load_n(p->bias + j0, columns) : v_zero();
    for (size_t i = 0; i < VL && i0 + i < p->m && columns; i++) {
        float *y = p->y + (i0 + i) * p->n + j0;
        V sum = v_add(r[i], bias);
        v_store_n(y, p->add ? v_add(sum, v_load_n(y, columns)) : sum, columns);
    }
}

/* Steps s0 .. s0+steps-1 of a pair of tiles of rows of w, ready to be a left factor: where it lies, or copied. */
static TileBlock forward_left(const TileProduct *p, uint16_t *copy, size_t group, size_t s0, size_t steps)
{
    size_t j0 = group * 2 * TILE, k0 = s0 * TILE_DEPTH;
    TileBlock b = {.left = p->w + j0 * p->k + k0, .stride = p->k, .steps = steps, .first = s0 == 0};
    if (p->kind == WEIGHT_BF16 && j0 + 2 * TILE <= p->n && k0 + steps * TILE_DEPTH <= p->k) {
        b.ahead = j0 + 4 * TILE <= p->n ? b.left + 2 * TILE * p->k : NULL;
        return b;
    }
    copy_rows(p, copy, j0, k0, steps);
    b.left = copy;
    b.stride = steps * TILE_DEPTH;
    return b;
}

/* One pair of tiles of x against some of w; after the last steps the sums are stored. */
static void forward_pair(const TileProduct *p, TileBlock *b, float *sums, size_t group, size_t x, bool second, size_t s0)
{
    b->right[0] = p->packed + (x * p->steps + s0) * PACKED_TILE;
    b->right[1] = second ? b->right[0] + p->steps * PACKED_TILE : NULL;
    b->sums = sums;
    block_run(b);
    b->ahead = NULL; /* the next pair finds the next rows in the cache */
    if (s0 + b->steps < p->steps)
        return;
    for (size_t l = 0; l < 2; l++)
        for (size_t r = 0; r < 1 + (size_t)second; r++)
            store_transposed(p, sums + (2 * l + r) * TILE_VALUES, (x + r) * TILE, (group * 2 + l) * TILE);
}

/* Steps at a time: all of them where one pair of tiles of x is all there is, and the sums can stay in tiles. */
static size_t forward_steps(const TileProduct *p)
{
    return p->m > 2 * TILE ? BLOCK_STEPS : p->steps;
}

/* Groups g0 .. g1-1 of rows of w against tiles x0 .. x1-1 of x. */
static void forward_block(const TileProduct *p, float *sums, uint16_t *copies, size_t g0, size_t g1, size_t x0, size_t x1)
{
    size_t most = forward_steps(p);
    TileBlock lefts[FORWARD_GROUPS];
    for (size_t s0 = 0; s0 < p->steps; s0 += most) {
        size_t steps = tiles_least(most, p->steps - s0);
        for (size_t g = g0; g < g1; g++)
            lefts[g - g0] = forward_left(p, copies + (g - g0) * 2 * TILE * most * TILE_DEPTH, g, s0, steps);
        for (size_t x = x0; x < x1; x += 2)
            for (size_t g = g0; g < g1; g++)
                forward_pair(p, &lefts[g - g0], sums + ((x - x0) / 2 * (g1 - g0) + g - g0) * 4 * TILE_VALUES, g, x, x + 1 < x1,
                             s0);
    }
}

static void forward_part(void *context, size_t part)
{
    const TileProduct *p = context;
    size_t g0 = part * p->units / p->parts, g1 = (part + 1) * p->units / p->parts;
    size_t tiles = tiles_of(p->m, TILE), rows = tiles_least(tiles, FORWARD_ROWS);
    size_t depth = forward_steps(p) * TILE_DEPTH;
    float *sums = scratch(SCRATCH_OWN, (g1 - g0) * ((rows + 1) / 2) * 4 * TILE_VALUES * sizeof *sums);
    uint16_t *copies = scratch(SCRATCH_ROWS, (g1 - g0) * 2 * TILE * depth * sizeof *copies);
    tiles_begin();
    for (size_t x0 = 0; x0 < tiles; x0 += rows)
        forward_block(p, sums, copies, g0, g1, x0, tiles_least(tiles, x0 + rows));
    tiles_end();
}

/* Parts of at most `most` units, a multiple of the threads where there are enough units. */
static size_t deal_units(size_t units, size_t most)
{
    size_t threads = (size_t)pool_threads();
    return tiles_least(tiles_of(units, threads * most) * threads, units);
}

static void tiles_forward(TileProduct *p)
{
    p->steps = tiles_of(p->k, TILE_DEPTH);
    p->units = tiles_of(p->n, 2 * TILE);
    p->parts = deal_units(p->units, FORWARD_GROUPS);
    p->packed = scratch(SCRATCH_INPUT, tiles_of(p->m, TILE) * p->steps * PACKED_TILE * sizeof *p->packed);
    pool_run(pack_x_part, p, tiles_of(p->m, TILE));
    pool_run(forward_part, p, p->parts);
}

/* --- dx += dy w. --- */

/* 32 rows of dy as bf16, zeros behind: by blocks of BLOCK_STEPS steps, then rows. */
static void pack_dy_part(void *context, size_t pair)
{
    const TileProduct *p = context;
    size_t padded = tiles_of(p->m, 2 * TILE) * 2 * TILE;
    for (size_t s0 = 0; s0 < p->steps; s0 += BLOCK_STEPS) {
        size_t width = tiles_least(BLOCK_STEPS, p->steps - s0) * TILE_DEPTH;
        uint16_t *to = p->packed + s0 * TILE_DEPTH * padded + pair * 2 * TILE * width;
        for (size_t i = pair * 2 * TILE; i < (pair + 1) * 2 * TILE; i++)
            for (size_t at = 0; at < width; at += TILE, to += TILE) {
                size_t j = s0 * TILE_DEPTH + at, n = i < p->m && j < p->n ? tiles_least(TILE, p->n - j) : 0;
                const float *dy = n ? p->x + i * p->n + j : p->x;
                _mm256_storeu_si256((__m256i *)to, row_of_inputs(dy, n));
            }
    }
}

/* 16 columns of w from column c0, rows of `steps` steps from s0, as right tiles: pairs of rows interleaved. */
static void pack_w(const TileProduct *p, uint16_t *to, size_t c0, size_t s0, size_t steps)
{
    size_t columns = tiles_least(TILE, p->k - c0);
    for (size_t pair = 0; pair < steps * TILE; pair++) {
        __m512i both = _mm512_setzero_si512();
        for (size_t half = 0; half < 2; half++) {
            size_t row = s0 * TILE_DEPTH + 2 * pair + half;
            if (row < p->n) {
                __m512i wide = _mm512_cvtepu16_epi32(row_of_weights(p->kind, p->w + row * p->k + c0, columns));
                both = _mm512_or_si512(both, half ? _mm512_slli_epi32(wide, 16) : wide);
            }
        }
        _mm512_storeu_si512(to + pair * 2 * TILE, both);
    }
}

static void store_added(const TileProduct *p, const float *sums, size_t i0, size_t c0)
{
    size_t columns = tiles_least(TILE, p->k - c0);
    for (size_t i = 0; i < TILE && i0 + i < p->m; i++) {
        float *dx = p->y + (i0 + i) * p->k + c0;
        v_store_n(dx, v_add(v_load(sums + i * TILE), v_load_n(dx, columns)), columns);
    }
}

/* One pair of tiles of rows of dy against a pair of tiles of columns from c on; after the last steps the sums are stored. */
static void dx_pair(const TileProduct *p, const uint16_t *right, float *sums, size_t pair, size_t c, bool second, size_t s0,
                    size_t steps)
{
    size_t padded = tiles_of(p->m, 2 * TILE) * 2 * TILE;
    TileBlock b = {.left = p->packed + (s0 * padded + pair * 2 * TILE * steps) * TILE_DEPTH,
                   .stride = steps * TILE_DEPTH,
                   .right = {right, second ? right + steps * PACKED_TILE : NULL},
                   .steps = steps,
                   .sums = sums,
                   .first = s0 == 0};
    block_run(&b);
    if (s0 + steps < p->steps)
        return;
    for (size_t l = 0; l < 2; l++)
        for (size_t r = 0; r < 1 + (size_t)second; r++)
            store_added(p, sums + (2 * l + r) * TILE_VALUES, (pair * 2 + l) * TILE, (c + r) * TILE);
}

/* Tiles c0 .. c1-1 of columns of dx, pairs i0 .. i1-1 of tiles of rows. */
static void dx_block(const TileProduct *p, uint16_t *right, float *sums, size_t c0, size_t c1, size_t i0, size_t i1)
{
    for (size_t s0 = 0; s0 < p->steps; s0 += BLOCK_STEPS) {
        size_t steps = tiles_least(BLOCK_STEPS, p->steps - s0);
        for (size_t c = c0; c < c1; c++)
            pack_w(p, right + (c - c0) * steps * PACKED_TILE, c * TILE, s0, steps);
        float *sum = sums;
        for (size_t i = i0; i < i1; i++)
            for (size_t c = c0; c < c1; c += 2, sum += 4 * TILE_VALUES)
                dx_pair(p, right + (c - c0) * steps * PACKED_TILE, sum, i, c, c + 1 < c1, s0, steps);
    }
}

static void dx_part(void *context, size_t part)
{
    const TileProduct *p = context;
    size_t c0 = part * p->units / p->parts, c1 = (part + 1) * p->units / p->parts;
    size_t pairs = tiles_of(p->m, 2 * TILE), rows = tiles_least(pairs, DX_ROWS);
    uint16_t *right = scratch(SCRATCH_OWN, (c1 - c0) * BLOCK_STEPS * PACKED_TILE * sizeof *right);
    float *sums = scratch(SCRATCH_ROWS, rows * ((c1 - c0 + 1) / 2) * 4 * TILE_VALUES * sizeof *sums);
    tiles_begin();
    for (size_t i0 = 0; i0 < pairs; i0 += rows)
        dx_block(p, right, sums, c0, c1, i0, tiles_least(pairs, i0 + rows));
    tiles_end();
}

static void tiles_dx(TileProduct *p)
{
    p->steps = tiles_of(p->n, TILE_DEPTH);
    p->units = tiles_of(p->k, TILE);
    p->parts = deal_units(p->units, DX_COLUMNS);
    size_t pairs = tiles_of(p->m, 2 * TILE);
    p->packed = scratch(SCRATCH_INPUT, pairs * 2 * TILE * p->steps * TILE_DEPTH * sizeof *p->packed);
    pool_run(pack_dy_part, p, pairs);
    pool_run(dx_part, p, p->parts);
}

/* --- The slots. --- */

static void tiles_narrow(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                         size_t k)
{
    if (m > 0 && n > 0)
        tiles_forward(&(TileProduct){
            .y = y, .x = x, .bias = bias, .add = add, .kind = weight_kind(type, COMPUTE_F32), .w = w, .m = m, .n = n, .k = k});
}

/* A step's product is summed in the same order. */
INLINE void tiles_product(bool step, real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m,
                          size_t n, size_t k)
{
    (dtype_size(type) == 2 ? tiles_narrow : lower_matmul[step])(y, x, type, w, bias, add, m, n, k);
}

MATMUL_PAIR(tiles)

static void matmul_dx_tiles(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    if (dtype_size(type) != 2)
        lower_matmul_dx(dx, dy, type, w, m, n, k);
    else if (m > 0 && k > 0)
        tiles_dx(&(TileProduct){.y = dx, .x = dy, .kind = weight_kind(type, COMPUTE_F32), .w = w, .m = m, .n = n, .k = k});
}

void TILES_NAME(kernels)(Kernels *t)
{
    if (t->compute != COMPUTE_BF16)
        return;
    lower_take(t);
    t->matmul = matmul_tiles;
    t->matmul_step = matmul_step_tiles;
    t->matmul_dx = matmul_dx_tiles;
}

#endif
