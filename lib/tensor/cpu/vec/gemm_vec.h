/*
 * Products with many rows, after Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): factors are
 * packed into panels that the innermost kernel reads in order. One side is packed whole, for all threads; each thread packs the
 * panels of the other side that it computes, a block that stays in its second cache, and meets every panel of the shared side
 * with it.
 */
#ifndef TENSOR_CPU_VEC_GEMM_VEC_H
#define TENSOR_CPU_VEC_GEMM_VEC_H

#include "base/pool.h"
#include "tensor/cpu/vec/pack_vec.h"
#include "tensor/cpu/scratch.h"

enum {
    LEFT_LEAST = 1024,                  /* rows from which they are each thread's own, see gemm_own */
    LEFT_PANELS = 24,                   /* of own rows, of PANEL_DEPTH terms: 216 KB, in the second cache */
    RIGHT_PANELS = 128 / PANEL_COLUMNS, /* of own columns: 192 KB */
    SHARED_ROWS = 16 << 20,             /* bytes of shared rows that are packed at a time */
    SHARED_COLUMNS = 4 << 20,           /* and of shared columns: the less, the nearer they stay */
    DEEP_PANELS = 8,                    /* along the depth, at a time */
    MIN_PANELS = 4,                     /* of its own that are worth meeting a shared panel */
    PACK_PANELS = 4,                    /* of the shared side, in one part of the work */
};

typedef struct Shares {
    Gemm g;
    Side own, other;       /* each thread's own; shared */
    float *shared;         /* the shared side packed: by blocks of PANEL_DEPTH terms, then panels */
    size_t blocks, splits; /* runs of own panels; of shared panels */
} Shares;

/*
 * Which side is each thread's own. The shared panel in use stays in the first cache: one of columns fits where vectors are of 8
 * values, not where they are of 16. Few rows leave no time to pack weights that come from memory beforehand: there each thread
 * packs those that it computes, and asks for the next ones meanwhile.
 */
static Side gemm_own(const Gemm *g)
{
    return VL == 8 && g->m >= LEFT_LEAST ? LEFT : RIGHT;
}

/* Where panel p of the shared side is, of the block of terms that begins with t0. */
INLINE float *shared_panel(const Shares *s, size_t p, size_t t0, size_t terms)
{
    return s->shared + side_start(&s->g, s->other, side_panels(&s->g, s->other)) * t0 + side_start(&s->g, s->other, p) * terms;
}

static void pack_part(void *context, size_t part)
{
    const Shares *s = context;
    size_t p0 = part * PACK_PANELS, p1 = size_min(p0 + PACK_PANELS, side_panels(&s->g, s->other));
    for (size_t t0 = 0; t0 < gemm_terms(&s->g); t0 += PANEL_DEPTH) {
        size_t terms = size_min(PANEL_DEPTH, gemm_terms(&s->g) - t0);
        pack_panels_of(&s->g, s->other, shared_panel(s, p0, t0, terms), p0, p1, t0, terms);
    }
}

/* A panel of rows times one of columns, over one block of terms. */
INLINE void gemm_tile(const Gemm *g, const float *a, size_t row, size_t rows, const float *b, size_t column, size_t t0,
                      size_t terms, Ahead *ahead)
{
    Corner o = {.c = g->c + row * g->ldc + column,
                .bias = g->bias && t0 == 0 ? g->bias + column : NULL,
                .ldc = g->ldc,
                .columns = size_min(PANEL_COLUMNS, g->n - column),
                .add = g->add || t0 > 0,
                .ahead = ahead};
    panel_kernels[rows - 1](a, rows, b, terms, &o);
}

/* Own panels p0 .. p1-1, packed in `own`, times panel q of the shared side. */
INLINE void gemm_meet(const Shares *s, const float *own, size_t p0, size_t p1, size_t q, size_t t0, size_t terms, Ahead *ahead)
{
    const Gemm *g = &s->g;
    const float *shared = shared_panel(s, q, t0, terms);
    size_t there = side_start(g, s->other, q), first = side_start(g, s->own, p0);
    for (size_t p = p0, here = first, next; p < p1; p++, here = next) {
        next = side_start(g, s->own, p + 1);
        const float *mine = own + (here - first) * terms;
        if (s->own == LEFT)
            gemm_tile(g, mine, here, next - here, shared, there, t0, terms, ahead);
        else
            gemm_tile(g, shared, there, side_start(g, s->other, q + 1) - there, mine, here, t0, terms, ahead);
    }
}

/* The first panel of own block `block`; behind the last one, the end. */
INLINE size_t block_start(const Shares *s, size_t block)
{
    return panel_start(size_min(block, s->blocks), s->blocks, side_panels(&s->g, s->own));
}

/* The columns that the thread which has packed those of `block` from term t0 on is likely to pack next; none where rows are own.
 */
static Ahead own_ahead(const Shares *s, size_t block, size_t t0)
{
    if (s->own == LEFT)
        return (Ahead){0};
    size_t t = t0 + PANEL_DEPTH, later = block + (size_t)pool_threads();
    if (t < gemm_terms(&s->g))
        return ahead_of(&s->g, block_start(s, block), block_start(s, block + 1), t);
    return ahead_of(&s->g, block_start(s, later), block_start(s, later + 1), 0);
}

static void gemm_part(void *context, size_t part)
{
    const Shares *s = context;
    const Gemm *g = &s->g;
    size_t block = part % s->blocks, split = part / s->blocks, all = side_panels(g, s->other);
    size_t p0 = block_start(s, block), p1 = block_start(s, block + 1);
    size_t q0 = panel_start(split, s->splits, all), q1 = panel_start(split + 1, s->splits, all);
    float *own = scratch(SCRATCH_OWN, (side_start(g, s->own, p1) - side_start(g, s->own, p0)) * (PANEL_DEPTH + VL) * sizeof *own);
    for (size_t t0 = 0; t0 < gemm_terms(g); t0 += PANEL_DEPTH) {
        size_t terms = size_min(PANEL_DEPTH, gemm_terms(g) - t0);
        pack_panels_of(g, s->own, own, p0, p1, t0, terms);
        Ahead ahead = own_ahead(s, block, t0);
        for (size_t q = q0; q < q1; q++)
            gemm_meet(s, own, p0, p1, q, t0, terms, ahead.rows > 0 ? &ahead : NULL);
    }
}

/* A product whose shared side may be packed at once. */
static void gemm_shares(const Gemm *g, Side own_side)
{
    Shares s = {.g = *g, .own = own_side, .other = own_side == LEFT ? RIGHT : LEFT};
    size_t threads = (size_t)pool_threads(), own = side_panels(g, s.own), other = side_panels(g, s.other);
    size_t fit = s.own == LEFT ? LEFT_PANELS : RIGHT_PANELS, rounds = (own + threads * fit - 1) / (threads * fit);
    s.blocks = size_min(rounds * threads, (own + MIN_PANELS - 1) / MIN_PANELS);
    s.splits = size_min((threads + s.blocks - 1) / s.blocks, other);
    s.shared = scratch(SCRATCH_SHARED, (side_start(g, s.other, other) * gemm_terms(g) + VL * VL) * sizeof *s.shared);
    pool_run(pack_part, &s, (other + PACK_PANELS - 1) / PACK_PANELS);
    pool_run(gemm_part, &s, s.blocks * s.splits);
}

/* Rows from .. to-1 of the product, or columns. */
static Gemm gemm_slice(const Gemm *whole, Side side, size_t from, size_t to)
{
    Gemm g = *whole;
    if (side == LEFT) {
        g.m = to - from;
        g.a += g.a_transposed ? from : from * g.lda;
        g.c += from * g.ldc;
    } else {
        g.n = to - from;
        g.b = (const char *)g.b + (g.b_transposed ? from * g.ldb : from) * weight_size(g.kind);
        g.bias = g.bias ? g.bias + from : NULL;
        g.c += from;
    }
    return g;
}

/* A product of few terms, by slices of the shared side that are nearly equal, of whole panels. */
static void gemm_slices(const Gemm *whole, Side own, size_t most)
{
    Side other = own == LEFT ? RIGHT : LEFT;
    size_t extent = other == LEFT ? whole->m : whole->n, unit = other == LEFT ? PANEL_ROWS : PANEL_COLUMNS;
    size_t units = (extent + unit - 1) / unit, fit = most / (gemm_terms(whole) * sizeof(float) * unit) + 1;
    for (size_t k = 0, slices = (units + fit - 1) / fit; k < slices; k++) {
        size_t from = panel_start(k, slices, units) * unit, to = panel_start(k + 1, slices, units) * unit;
        Gemm g = gemm_slice(whole, other, from, size_min(to, extent));
        gemm_shares(&g, own);
    }
}

/* The whole product, by blocks of the depth for which the shared side needs no slices, if there are any; sets ldc itself. */
static void gemm_product(const Gemm *whole)
{
    if (whole->m == 0 || whole->n == 0)
        return;
    Side own = gemm_own(whole);
    size_t most = own == LEFT ? SHARED_COLUMNS : SHARED_ROWS;
    size_t panel = (own == LEFT ? whole->n : whole->m) * PANEL_DEPTH * sizeof(float), deep = most / panel;
    size_t block = (deep < 1 ? 1 : size_min(deep, DEEP_PANELS)) * PANEL_DEPTH * TERM;
    for (size_t t = 0; t < whole->depth; t += block) {
        Gemm g = *whole;
        g.ldc = g.n;
        g.depth = size_min(block, whole->depth - t);
        g.a += g.a_transposed ? t * g.lda : t;
        g.b = (const char *)g.b + (g.b_transposed ? t : t * g.ldb) * weight_size(g.kind);
        if (t > 0) {
            g.bias = NULL;
            g.add = true;
        }
        gemm_slices(&g, own, most);
    }
}

#endif
