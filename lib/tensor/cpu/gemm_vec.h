/*
 * Products with many rows, c[m,n] (+)= a[m,depth] b[depth,n], after Goto and van de Geijn, "Anatomy of high-performance matrix
 * multiplication" (2008): factors are packed into panels that the innermost kernel reads in order; each thread packs the columns
 * of b that it computes, converting 16-bit weights on the way, and meets the whole of a, packed once.
 *
 * b may be stored transposed ([n, depth]: y = x w^T); so may a ([depth, m]: dw = dy^T x).
 */
#ifndef TENSOR_CPU_GEMM_VEC_H
#define TENSOR_CPU_GEMM_VEC_H

#include "base/pool.h"
#include "tensor/cpu/panel_vec.h"
#include "tensor/cpu/scratch.h"
#include "tensor/cpu/weight_vec.h" /* and terms_f32.h or terms_bf16.h, chosen by the includer */

enum {
    PANEL_DEPTH = 384, /* terms: a panel of a (9 or 18 KB) stays in the first cache, a part of b (192 KB) in the second */
    PART_PANELS = 128 / PANEL_COLUMNS,
    BLOCK_DEPTH = 8 * PANEL_DEPTH * TERM, /* values of the depth that are packed at a time; */
    LEFT_BYTES = 16 << 20,                /* and of a: as many rows as may be, since b is packed again for each block of them */
};

typedef struct Gemm {
    float *c;          /* [m, n] */
    const float *bias; /* [n] or NULL */
    bool add;          /* to what c holds */
    const Input *a;    /* [m, depth]; a_turned: [depth, m] */
    const void *b;     /* [depth, n]; b_turned: [n, depth] */
    size_t lda, ldb;   /* values from one row of the stored matrix to the next */
    Weight kind;       /* of b */
    bool a_turned, b_turned;
    size_t m, n, depth;

    size_t terms, panels, parts; /* terms along the depth; panels of rows; parts of columns */
    float *left;                 /* a packed: by blocks of PANEL_DEPTH terms, then panels: [terms][rows] */
} Gemm;

/* Terms t .. t+VL-1 of `rows` <= VL rows into [terms][stride], through a transposition in registers. */
INLINE void turn_block(float *to, size_t stride, V r[VL], size_t terms, size_t rows)
{
    v_transpose(r);
    for (size_t t = 0; t < terms; t++)
        v_store_n(to + t * stride, r[t], rows);
}

/* Rows i0 .. i0+rows-1 of a, terms t0 .. t0+terms-1, to [terms][rows]. */
static void pack_left(const Gemm *g, float *to, size_t i0, size_t rows, size_t t0, size_t terms)
{
    for (size_t t = 0; t < terms; t += VL) {
        V r[VL];
        size_t at = (t0 + t) * TERM, rest = gemm_least(VL * TERM, g->depth - at);
        for (size_t i = 0; i < VL; i++) {
            if (i >= rows)
                r[i] = v_zero();
            else if (rest == VL * TERM)
                r[i] = term_input(g->a, (i0 + i) * g->lda + at);
            else
                r[i] = term_input_n(g->a, (i0 + i) * g->lda + at, rest);
        }
        turn_block(to + t * rows, rows, r, gemm_least(VL, terms - t), rows);
    }
}

/* The same of a stored transposed (f32 only): rows lie side by side already. */
static void pack_left_turned(const Gemm *g, float *to, size_t i0, size_t rows, size_t t0, size_t terms)
{
    for (size_t t = 0; t < terms; t++)
        for (size_t i = 0; i < rows; i += VL) {
            size_t n = gemm_least(VL, rows - i);
            v_store_n(to + t * rows + i, term_input_n(g->a, (t0 + t) * g->lda + i0 + i, n), n);
        }
}

static void pack_left_part(void *context, size_t panel)
{
    const Gemm *g = context;
    size_t i0 = panel_start(panel, g->panels, g->m), rows = panel_start(panel + 1, g->panels, g->m) - i0;
    for (size_t t0 = 0; t0 < g->terms; t0 += PANEL_DEPTH) {
        size_t terms = gemm_least(PANEL_DEPTH, g->terms - t0);
        float *to = g->left + t0 * g->m + i0 * terms;
        if (g->a_turned)
            pack_left_turned(g, to, i0, rows, t0, terms);
        else
            pack_left(g, to, i0, rows, t0, terms);
    }
}

/* VL columns of b from j0 on, stored as rows of w (`columns` of which exist), terms t0 .., to lanes of a panel. */
INLINE void pack_right_turned(const Gemm *g, Weight kind, float *to, size_t j0, size_t columns, size_t t0, size_t terms)
{
    for (size_t t = 0; t < terms; t += VL) {
        V r[VL];
        size_t at = (t0 + t) * TERM, rest = gemm_least(VL * TERM, g->depth - at);
        if (columns == VL && rest == VL * TERM) {
            UNROLL
            for (size_t j = 0; j < VL; j++)
                r[j] = term_weight(kind, g->b, (j0 + j) * g->ldb + at);
        } else {
            for (size_t j = 0; j < VL; j++)
                r[j] = j < columns ? term_weight_n(kind, g->b, (j0 + j) * g->ldb + at, rest) : v_zero();
        }
        v_transpose(r);
        for (size_t i = 0; i < VL && t + i < terms; i++)
            v_store(to + (t + i) * PANEL_COLUMNS, r[i]);
    }
}

/* Columns j0 .. end-1 of b as it lies, in whole panels: a row of b, which is far from the next, is read as far as it is wanted.
 */
INLINE void pack_right_plain(const Gemm *g, Weight kind, float *to, size_t j0, size_t end, size_t t0, size_t terms)
{
    for (size_t t = 0; t < terms; t++) {
        size_t row = (t0 + t) * TERM;
        for (size_t j = j0; j < end; j += VL) {
            V terms_of_row = v_zero();
            if (j < g->n)
                terms_of_row = term_across(kind, g->b, row * g->ldb + j, gemm_least(VL, g->n - j), g->ldb, g->depth - row);
            size_t panel = (j - j0) / PANEL_COLUMNS, lane = (j - j0) % PANEL_COLUMNS;
            v_store(to + (panel * terms + t) * PANEL_COLUMNS + lane, terms_of_row);
        }
    }
}

/* Columns j0 .. end-1 of b, in whole panels, terms t0 .., to panels of [terms][PANEL_COLUMNS]. */
INLINE void pack_right_kind(const Gemm *g, Weight kind, float *to, size_t j0, size_t end, size_t t0, size_t terms)
{
    if (!g->b_turned) {
        pack_right_plain(g, kind, to, j0, end, t0, terms);
        return;
    }
    for (size_t j = j0; j < end; j += VL) {
        size_t panel = (j - j0) / PANEL_COLUMNS, lane = (j - j0) % PANEL_COLUMNS;
        size_t columns = j < g->n ? gemm_least(VL, g->n - j) : 0;
        pack_right_turned(g, kind, to + panel * terms * PANEL_COLUMNS + lane, j, columns, t0, terms);
    }
}

static void pack_right(const Gemm *g, float *to, size_t j0, size_t end, size_t t0, size_t terms)
{
    switch (g->kind) {
    case WEIGHT_F32:
        pack_right_kind(g, WEIGHT_F32, to, j0, end, t0, terms);
        break;
    case WEIGHT_F16:
        pack_right_kind(g, WEIGHT_F16, to, j0, end, t0, terms);
        break;
    case WEIGHT_BF16:
        pack_right_kind(g, WEIGHT_BF16, to, j0, end, t0, terms);
        break;
    default:
        pack_right_kind(g, WEIGHT_F16_ROUNDED, to, j0, end, t0, terms);
    }
}

/* Panels j0 .. j1-1 from term t0 on; nothing where the terms or columns have ended. */
static Ahead ahead_of(const Gemm *g, size_t j0, size_t j1, size_t t0)
{
    size_t column = j0 * PANEL_COLUMNS, first = t0 * TERM, size = weight_size(g->kind);
    if (column >= g->n || first >= g->depth)
        return (Ahead){0};
    size_t columns = gemm_least(j1 * PANEL_COLUMNS, g->n) - column, depth = gemm_least(PANEL_DEPTH * TERM, g->depth - first);
    Ahead a = {.stride = g->ldb * size};
    a.row = (const char *)g->b + (g->b_turned ? column * g->ldb + first : first * g->ldb + column) * size;
    a.rows = g->b_turned ? columns : depth;
    a.width = (g->b_turned ? depth : columns) * size;
    size_t into_line = (uintptr_t)a.row % LINE_BYTES;
    a.row -= into_line;
    a.width += into_line;
    return a;
}

/* All rows of the columns of panels j0 .. j1-1, over one block of terms. */
static void gemm_block(const Gemm *g, const float *right, size_t j0, size_t j1, size_t t0, size_t terms, Ahead ahead)
{
    for (size_t p = 0; p < g->panels; p++) {
        size_t i0 = panel_start(p, g->panels, g->m), rows = panel_start(p + 1, g->panels, g->m) - i0;
        const float *a = g->left + t0 * g->m + i0 * terms;
        for (size_t j = j0; j < j1; j++) {
            size_t column = j * PANEL_COLUMNS;
            Corner o = {.c = g->c + i0 * g->n + column,
                        .bias = g->bias && t0 == 0 ? g->bias + column : NULL,
                        .ldc = g->n,
                        .columns = gemm_least(PANEL_COLUMNS, g->n - column),
                        .add = g->add || t0 > 0,
                        .ahead = &ahead};
            panel_kernels[rows - 1](a, rows, right + (j - j0) * PANEL_COLUMNS * terms, terms, &o);
        }
    }
}

INLINE size_t column_panels(const Gemm *g)
{
    return (g->n + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
}

/* The first panel of columns of a part; behind the last one, the end. */
INLINE size_t part_start(const Gemm *g, size_t part)
{
    return panel_start(gemm_least(part, g->parts), g->parts, column_panels(g));
}

static void gemm_part(void *context, size_t part)
{
    const Gemm *g = context;
    size_t j0 = part_start(g, part), j1 = part_start(g, part + 1);
    size_t later = part + (size_t)pool_threads(); /* the part that this thread is likely to take next */
    float *right = scratch(SCRATCH_RIGHT, (j1 - j0) * PANEL_COLUMNS * (PANEL_DEPTH + VL) * sizeof *right);
    for (size_t t0 = 0; t0 < g->terms; t0 += PANEL_DEPTH) {
        size_t terms = gemm_least(PANEL_DEPTH, g->terms - t0);
        pack_right(g, right, j0 * PANEL_COLUMNS, j1 * PANEL_COLUMNS, t0, terms);
        Ahead ahead = t0 + terms < g->terms ? ahead_of(g, j0, j1, t0 + terms)
                                            : ahead_of(g, part_start(g, later), part_start(g, later + 1), 0);
        gemm_block(g, right, j0, j1, t0, terms, ahead);
    }
}

/* One block of rows: pack a once, then compute the parts. */
static void gemm_rows(Gemm *g)
{
    size_t threads = (size_t)pool_threads(), columns = column_panels(g);
    g->panels = (g->m + PANEL_ROWS - 1) / PANEL_ROWS;
    g->terms = (g->depth + TERM - 1) / TERM;
    size_t rounds = (columns + threads * PART_PANELS - 1) / (threads * PART_PANELS);
    g->parts = gemm_least(rounds * threads, columns);
    g->left = scratch(SCRATCH_LEFT, (g->m * g->terms + VL) * sizeof *g->left);
    pool_run(pack_left_part, g, g->panels);
    pool_run(gemm_part, g, g->parts);
}

/* A product of at most BLOCK_DEPTH, by blocks of rows. */
static void gemm_slice(const Gemm *whole)
{
    size_t fit = LEFT_BYTES / (whole->depth * sizeof(float) / TERM + 1) / PANEL_ROWS * PANEL_ROWS;
    size_t most = fit > 8 * PANEL_ROWS ? fit : 8 * PANEL_ROWS, blocks = (whole->m + most - 1) / most;
    for (size_t b = 0; b < blocks; b++) {
        size_t i0 = panel_start(b, blocks, whole->m);
        Gemm g = *whole;
        g.m = panel_start(b + 1, blocks, whole->m) - i0;
        g.c = whole->c + i0 * whole->n;
        g.a = whole->a + (whole->a_turned ? i0 : i0 * whole->lda);
        gemm_rows(&g);
    }
}

/* The whole product; sets the fields below `depth` itself. */
static void gemm_product(const Gemm *whole)
{
    if (whole->m == 0 || whole->n == 0)
        return;
    for (size_t t = 0; t == 0 || t < whole->depth; t += BLOCK_DEPTH) {
        Gemm g = *whole;
        g.depth = gemm_least(BLOCK_DEPTH, whole->depth - t);
        g.a += g.a_turned ? t * g.lda : t;
        g.b = (const char *)g.b + (g.b_turned ? t : t * g.ldb) * weight_size(g.kind);
        if (t > 0) {
            g.bias = NULL;
            g.add = true;
        }
        gemm_slice(&g);
    }
}

#endif
