/*
 * Products with many rows, after Goto and van de Geijn, "Anatomy of high-performance matrix multiplication" (2008): factors are
 * packed into panels that the innermost kernel reads in order. One side is packed whole, for all threads; each thread packs the
 * panels of the other side that it computes, a block that stays in its second cache, and meets every panel of the shared side
 * with it.
 */
#ifndef TENSOR_CPU_GEMM_VEC_H
#define TENSOR_CPU_GEMM_VEC_H

#include "base/pool.h"
#include "tensor/cpu/pack_vec.h"
#include "tensor/cpu/scratch.h"

/*
 * Which side is each thread's own. The shared panel in use stays in the first cache, so it is of the side whose panels fit: those
 * of b where vectors are of 8 values, those of a where they are of 16. The less of it is packed at a time, the nearer it stays;
 * but own panels are packed again for each time, which takes longer where they are of 16-bit weights.
 */
enum {
    OWN_IS_LEFT = VL == 8,
    OWN_PANELS = OWN_IS_LEFT ? 24 : 128 / PANEL_COLUMNS, /* of PANEL_DEPTH terms, 216 or 192 KB: in the second cache */
    SHARED_BYTES = (OWN_IS_LEFT ? 4 : 16) << 20,         /* packed at a time */
    DEEP_PANELS = 8,                                     /* along the depth, at a time */
    LEAST_PANELS = 4,                                    /* of its own that are worth meeting a shared panel */
    PACK_PANELS = 4,                                     /* of the shared side, in one part of the work */
};
static const Side OWN = OWN_IS_LEFT ? LEFT : RIGHT, SHARED = OWN_IS_LEFT ? RIGHT : LEFT;

typedef struct Shares {
    Gemm g;
    float *shared;         /* the shared side packed: by blocks of PANEL_DEPTH terms, then panels */
    size_t blocks, splits; /* runs of own panels; of shared panels */
} Shares;

/* Where panel p of the shared side is, of the block of terms that begins with t0. */
INLINE float *shared_panel(const Shares *s, size_t p, size_t t0, size_t terms)
{
    return s->shared + side_start(&s->g, SHARED, side_panels(&s->g, SHARED)) * t0 + side_start(&s->g, SHARED, p) * terms;
}

static void pack_part(void *context, size_t part)
{
    const Shares *s = context;
    size_t p0 = part * PACK_PANELS, p1 = gemm_least(p0 + PACK_PANELS, side_panels(&s->g, SHARED));
    for (size_t t0 = 0; t0 < gemm_terms(&s->g); t0 += PANEL_DEPTH) {
        size_t terms = gemm_least(PANEL_DEPTH, gemm_terms(&s->g) - t0);
        pack_panels_of(&s->g, SHARED, shared_panel(s, p0, t0, terms), p0, p1, t0, terms);
    }
}

/* A panel of rows times one of columns, over one block of terms. */
INLINE void gemm_tile(const Gemm *g, const float *a, size_t row, size_t rows, const float *b, size_t column, size_t t0,
                      size_t terms, Ahead *ahead)
{
    Corner o = {.c = g->c + row * g->ldc + column,
                .bias = g->bias && t0 == 0 ? g->bias + column : NULL,
                .ldc = g->ldc,
                .columns = gemm_least(PANEL_COLUMNS, g->n - column),
                .add = g->add || t0 > 0,
                .ahead = ahead};
    panel_kernels[rows - 1](a, rows, b, terms, &o);
}

/* Own panels p0 .. p1-1, packed in `own`, times panel q of the shared side. */
INLINE void gemm_meet(const Shares *s, const float *own, size_t p0, size_t p1, size_t q, size_t t0, size_t terms, Ahead *ahead)
{
    const Gemm *g = &s->g;
    const float *shared = shared_panel(s, q, t0, terms);
    size_t there = side_start(g, SHARED, q), first = side_start(g, OWN, p0);
    for (size_t p = p0, here = first, next; p < p1; p++, here = next) {
        next = side_start(g, OWN, p + 1);
        const float *mine = own + (here - first) * terms;
        if (OWN == LEFT)
            gemm_tile(g, mine, here, next - here, shared, there, t0, terms, ahead);
        else
            gemm_tile(g, shared, there, side_start(g, SHARED, q + 1) - there, mine, here, t0, terms, ahead);
    }
}

/* The first panel of own block `block`; behind the last one, the end. */
INLINE size_t block_start(const Shares *s, size_t block)
{
    return panel_start(gemm_least(block, s->blocks), s->blocks, side_panels(&s->g, OWN));
}

static void gemm_part(void *context, size_t part)
{
    const Shares *s = context;
    const Gemm *g = &s->g;
    size_t block = part % s->blocks, split = part / s->blocks, later = block + (size_t)pool_threads();
    size_t p0 = block_start(s, block), p1 = block_start(s, block + 1), all = side_panels(g, SHARED);
    size_t q0 = panel_start(split, s->splits, all), q1 = panel_start(split + 1, s->splits, all), whole = gemm_terms(g);
    float *own = scratch(SCRATCH_OWN, (side_start(g, OWN, p1) - side_start(g, OWN, p0)) * (PANEL_DEPTH + VL) * sizeof *own);
    for (size_t t0 = 0; t0 < whole; t0 += PANEL_DEPTH) {
        size_t terms = gemm_least(PANEL_DEPTH, whole - t0);
        pack_panels_of(g, OWN, own, p0, p1, t0, terms);
        Ahead ahead = t0 + terms < whole ? ahead_of(g, OWN, p0, p1, t0 + terms)
                                         : ahead_of(g, OWN, block_start(s, later), block_start(s, later + 1), 0);
        for (size_t q = q0; q < q1; q++)
            gemm_meet(s, own, p0, p1, q, t0, terms, OWN == RIGHT ? &ahead : NULL);
    }
}

/* A product whose shared side may be packed at once. */
static void gemm_shares(const Gemm *g)
{
    size_t threads = (size_t)pool_threads(), own = side_panels(g, OWN), shared = side_panels(g, SHARED);
    size_t rounds = (own + threads * OWN_PANELS - 1) / (threads * OWN_PANELS), most = (own + LEAST_PANELS - 1) / LEAST_PANELS;
    Shares s = {.g = *g, .blocks = gemm_least(rounds * threads, most)};
    s.splits = gemm_least((threads + s.blocks - 1) / s.blocks, shared);
    s.shared = scratch(SCRATCH_SHARED, (side_start(g, SHARED, shared) * gemm_terms(g) + VL * VL) * sizeof *s.shared);
    pool_run(pack_part, &s, (shared + PACK_PANELS - 1) / PACK_PANELS);
    pool_run(gemm_part, &s, s.blocks * s.splits);
}

/* A product of few terms, by slices of the shared side that are nearly equal, of whole panels. */
static void gemm_slices(const Gemm *whole)
{
    size_t unit = SHARED == LEFT ? PANEL_ROWS : PANEL_COLUMNS, units = side_panels(whole, SHARED);
    size_t fit = SHARED_BYTES / (gemm_terms(whole) * sizeof(float) * unit) + 1, slices = (units + fit - 1) / fit;
    for (size_t k = 0; k < slices; k++) {
        size_t from = panel_start(k, slices, units) * unit, to = panel_start(k + 1, slices, units) * unit;
        Gemm g = *whole;
        if (SHARED == LEFT) {
            g.m = gemm_least(to, g.m) - from;
            g.a += g.a_turned ? from : from * g.lda;
            g.c += from * g.ldc;
        } else {
            g.n = gemm_least(to, g.n) - from;
            g.b = (const char *)g.b + (g.b_turned ? from * g.ldb : from) * weight_size(g.kind);
            g.bias = g.bias ? g.bias + from : NULL;
            g.c += from;
        }
        gemm_shares(&g);
    }
}

/* The whole product, by blocks of the depth for which the shared side needs no slices, if there are any; sets ldc itself. */
static void gemm_product(const Gemm *whole)
{
    if (whole->m == 0 || whole->n == 0)
        return;
    size_t panel = (SHARED == LEFT ? whole->m : whole->n) * PANEL_DEPTH * sizeof(float), deep = SHARED_BYTES / panel;
    size_t block = (deep < 1 ? 1 : gemm_least(deep, DEEP_PANELS)) * PANEL_DEPTH * TERM;
    for (size_t t = 0; t < whole->depth; t += block) {
        Gemm g = *whole;
        g.ldc = g.n;
        g.depth = gemm_least(block, whole->depth - t);
        g.a += g.a_turned ? t * g.lda : t;
        g.b = (const char *)g.b + (g.b_turned ? t : t * g.ldb) * weight_size(g.kind);
        if (t > 0) {
            g.bias = NULL;
            g.add = true;
        }
        gemm_slices(&g);
    }
}

#endif
