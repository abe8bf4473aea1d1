/*
 * The factors of a product packed into panels, as the innermost kernel reads them: PANEL_ROWS rows of a or PANEL_COLUMNS columns
 * of b, term after term. 16-bit weights are converted on the way. Included after vec_*.h and terms_*.h.
 */
#ifndef TENSOR_CPU_VEC_PACK_VEC_H
#define TENSOR_CPU_VEC_PACK_VEC_H

#include <string.h>

#include "tensor/cpu/vec/panel_vec.h"
#include "tensor/cpu/vec/weight_vec.h" /* and terms_f32.h or terms_bf16.h, chosen by the includer */

enum {
    PANEL_DEPTH = 384, /* terms of a panel: 24 KB of b and 9 KB of a where vectors are of 8 values, 48 and 18 KB where of 16 */
    ROWS_AHEAD = 8,    /* that are asked for of b as it lies: each is too far from the one before for a processor to guess */
};

/* c[m,n] (+)= a[m,depth] b[depth,n]. b may be stored transposed ([n, depth]: y = x w^T); so may a ([depth, m]: dw = dy^T x). */
typedef struct Gemm {
    float *c;          /* [m, n] */
    const float *bias; /* [n] or NULL */
    bool add;          /* to what c holds */
    const Input *a;    /* [m, depth]; a_transposed: [depth, m] */
    const void *b;     /* [depth, n]; b_transposed: [n, depth] */
    size_t lda, ldb;   /* values from one row of the stored matrix to the next */
    size_t ldc;        /* of c */
    Weight kind;       /* of b */
    bool a_transposed, b_transposed;
    size_t m, n, depth;
} Gemm;

/* A factor, as rows of a or columns of b. */
typedef enum Side { LEFT, RIGHT } Side;

INLINE size_t gemm_terms(const Gemm *g)
{
    return (g->depth + TERM - 1) / TERM;
}

INLINE size_t side_panels(const Gemm *g, Side side)
{
    return side == LEFT ? (g->m + PANEL_ROWS - 1) / PANEL_ROWS : (g->n + PANEL_COLUMNS - 1) / PANEL_COLUMNS;
}

/* The row or column that panel p begins with; of the one behind the last, where they end (columns: rounded up to whole panels).
 */
INLINE size_t side_start(const Gemm *g, Side side, size_t p)
{
    return side == LEFT ? panel_start(p, side_panels(g, LEFT), g->m) : p * PANEL_COLUMNS;
}

/* Rows i0 .. i0+rows-1 of a, terms t0 .. t0+terms-1, to [terms][rows]. */
static void pack_left(const Gemm *g, float *to, size_t i0, size_t rows, size_t t0, size_t terms)
{
    for (size_t t = 0; t < terms; t += VL) {
        V r[VL];
        size_t at = (t0 + t) * TERM, rest = size_min(VL * TERM, g->depth - at);
        for (size_t i = 0; i < VL; i++) {
            if (i >= rows)
                r[i] = v_zero();
            else if (rest == VL * TERM)
                r[i] = term_input(g->a, (i0 + i) * g->lda + at);
            else
                r[i] = term_input_n(g->a, (i0 + i) * g->lda + at, rest);
        }
        v_store_transposed(to + t * rows, rows, r, rows, size_min(VL, terms - t));
    }
}

/* The same of a stored transposed (f32 only): rows lie side by side already. */
static void pack_left_transposed(const Gemm *g, float *to, size_t i0, size_t rows, size_t t0, size_t terms)
{
    for (size_t t = 0; t < terms; t++) {
        const Input *from = g->a + (t0 + t) * g->lda + i0;
        if (rows == PANEL_ROWS)
            memcpy(to + t * rows, from, PANEL_ROWS * sizeof *to);
        else
            memcpy(to + t * rows, from, rows * sizeof *to);
    }
}

/* VL columns of b from j0 on, stored as rows of w (`columns` of which exist), terms t0 .., to lanes of a panel. */
INLINE void pack_right_transposed(const Gemm *g, Weight kind, float *to, size_t j0, size_t columns, size_t t0, size_t terms)
{
    for (size_t t = 0; t < terms; t += VL) {
        V r[VL];
        size_t at = (t0 + t) * TERM, rest = size_min(VL * TERM, g->depth - at);
        if (columns == VL && rest == VL * TERM) {
            UNROLL_FOR (size_t j = 0; j < VL; j++)
                r[j] = term_weight(kind, g->b, (j0 + j) * g->ldb + at);
        } else {
            for (size_t j = 0; j < VL; j++)
                r[j] = j < columns ? term_weight_n(kind, g->b, (j0 + j) * g->ldb + at, rest) : v_zero();
        }
        v_store_transposed(to + t * PANEL_COLUMNS, PANEL_COLUMNS, r, VL, size_min(VL, terms - t));
    }
}

/* Asks for columns j0 .. end-1 of a row of b. */
INLINE void ask_row(const Gemm *g, Weight kind, size_t row, size_t j0, size_t end)
{
    const size_t size = weight_size(kind);
    for (size_t j = j0; j < end; j += LINE_BYTES / size)
        _mm_prefetch((const char *)g->b + (row * g->ldb + j) * size, _MM_HINT_T0);
}

/* Columns j0 .. end-1 of b as it lies, in whole panels: a row of b, which is far from the next, is read as far as it is wanted.
 */
INLINE void pack_right_plain(const Gemm *g, Weight kind, float *to, size_t j0, size_t end, size_t t0, size_t terms)
{
    for (size_t t = 0; t < terms; t++) {
        size_t row = (t0 + t) * TERM;
        for (size_t r = row + ROWS_AHEAD; r < row + ROWS_AHEAD + TERM && r < g->depth; r++)
            ask_row(g, kind, r, j0, size_min(end, g->n));
        for (size_t j = j0; j < end; j += VL) {
            V terms_of_row = v_zero();
            if (j < g->n)
                terms_of_row = term_across(kind, g->b, row * g->ldb + j, size_min(VL, g->n - j), g->ldb, g->depth - row);
            size_t panel = (j - j0) / PANEL_COLUMNS, lane = (j - j0) % PANEL_COLUMNS;
            v_store(to + (panel * terms + t) * PANEL_COLUMNS + lane, terms_of_row);
        }
    }
}

/* Columns j0 .. end-1 of b, in whole panels, terms t0 .., to panels of [terms][PANEL_COLUMNS]. */
INLINE void pack_right_kind(const Gemm *g, Weight kind, float *to, size_t j0, size_t end, size_t t0, size_t terms)
{
    if (!g->b_transposed) {
        pack_right_plain(g, kind, to, j0, end, t0, terms);
        return;
    }
    for (size_t j = j0; j < end; j += VL) {
        size_t panel = (j - j0) / PANEL_COLUMNS, lane = (j - j0) % PANEL_COLUMNS;
        size_t columns = j < g->n ? size_min(VL, g->n - j) : 0;
        pack_right_transposed(g, kind, to + panel * terms * PANEL_COLUMNS + lane, j, columns, t0, terms);
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

/* Panels p0 .. p1-1, terms t0 .., one after the other: each [terms][its rows or columns]. */
static void pack_panels_of(const Gemm *g, Side side, float *to, size_t p0, size_t p1, size_t t0, size_t terms)
{
    size_t first = side_start(g, side, p0), end = side_start(g, side, p1);
    if (side == RIGHT) {
        pack_right(g, to, first, end, t0, terms);
        return;
    }
    for (size_t p = p0, at = first, next; p < p1; p++, at = next) {
        next = side_start(g, LEFT, p + 1);
        if (g->a_transposed)
            pack_left_transposed(g, to + (at - first) * terms, at, next - at, t0, terms);
        else
            pack_left(g, to + (at - first) * terms, at, next - at, t0, terms);
    }
}

/* The weights of columns of panels p0 .. p1-1, to be asked for before they are packed; nothing where terms or panels have ended.
 */
static Ahead ahead_of(const Gemm *g, size_t p0, size_t p1, size_t t0)
{
    size_t column = p0 * PANEL_COLUMNS, first = t0 * TERM, size = weight_size(g->kind);
    if (p0 == p1 || column >= g->n || first >= g->depth)
        return (Ahead){0};
    size_t columns = size_min(p1 * PANEL_COLUMNS, g->n) - column, depth = size_min(PANEL_DEPTH * TERM, g->depth - first);
    Ahead a = {
        .stride = g->ldb * size, .rows = g->b_transposed ? columns : depth, .width = (g->b_transposed ? depth : columns) * size};
    a.row = (const char *)g->b + (g->b_transposed ? column * g->ldb + first : first * g->ldb + column) * size;
    size_t into_line = (uintptr_t)a.row % LINE_BYTES;
    a.row -= into_line;
    a.width += into_line;
    return a;
}

#endif
