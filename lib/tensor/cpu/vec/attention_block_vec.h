/*
 * One head of one span of an attention, forward and backward, a block of 2 VL queries at a time; see attention_vec.h.
 *
 * Matrices of a block: transposed scores and probabilities [keys][LANES], queries along the lanes; keys and values packed once a
 * span, queries once a block.
 */
#ifndef TENSOR_CPU_VEC_ATTENTION_BLOCK_VEC_H
#define TENSOR_CPU_VEC_ATTENTION_BLOCK_VEC_H

#include "tensor/cpu/vec/math_vec.h"
#include "tensor/cpu/plain/plain.h"
#include "tensor/cpu/scratch.h"

enum { LANES = PANEL_COLUMNS };

typedef struct AttentionJob {
    real *out, *stats;
    real *dq, *dk, *dv;
    const real *dout, *kept_out, *kept_stats;
    const real *q, *k, *v;
    const AttentionShape *shape;
    size_t d; /* of a head */
} AttentionJob;

/* The keys of a span under one head: prefix, then own. */
typedef struct Keys {
    const AttentionJob *w;
    const Span *span;
    size_t head, n; /* all keys */
    size_t column;  /* first of the head's columns */
    size_t wide;    /* d rounded up to whole panels of columns */
} Keys;

static Keys keys_of(const AttentionJob *w, const Span *span, size_t head)
{
    size_t wide = (w->d + PANEL_COLUMNS - 1) / PANEL_COLUMNS * PANEL_COLUMNS;
    return (Keys){w, span, head, span->n_prefix + span->nk, head * w->d, wide};
}

INLINE size_t key_row(const Span *s, size_t j)
{
    return j < s->n_prefix ? s->prefix + j : s->k + j - s->n_prefix;
}

/* Where the run of keys that begins at j and can be one panel's rows ends: panels do not cross from the prefix to the rest. */
INLINE size_t panel_end(const Keys *keys, size_t j, size_t n)
{
    size_t end = j < keys->span->n_prefix ? keys->span->n_prefix : n;
    return size_min(size_min(j + PANEL_ROWS, end), n);
}

/* `count` <= VL rows at x (ldx apart), d values each, to [d][stride]. */
static void pack_transposed(float *to, size_t stride, const float *x, size_t ldx, size_t count, size_t d)
{
    for (size_t e = 0; e < d; e += VL) {
        V r[VL];
        size_t n = size_min(VL, d - e);
        for (size_t i = 0; i < VL; i++)
            r[i] = i < count ? v_load_n(x + i * ldx + e, n) : v_zero();
        v_store_transposed(to + e * stride, stride, r, size_min(VL, stride), n);
    }
}

/* Rows of keys or values as left panels: each [d][rows], one after the other. Slack of VL values behind them is written. */
static void pack_panels(const Keys *keys, float *to, const real *x)
{
    const AttentionJob *w = keys->w;
    for (size_t j = 0; j < keys->n;) {
        size_t end = panel_end(keys, j, keys->n);
        pack_transposed(to + j * w->d, end - j, x + key_row(keys->span, j) * w->shape->cols + keys->column, w->shape->cols,
                        end - j, w->d);
        j = end;
    }
}

/* One row of a head as right panels [wide / PANEL_COLUMNS][rows][PANEL_COLUMNS], zeros behind d. */
INLINE void pack_row(float *to, const float *x, size_t row, size_t rows, size_t d)
{
    for (size_t e = 0; e < d; e += PANEL_COLUMNS)
        for (size_t h = 0; h < PANEL_COLUMNS; h += VL) {
            size_t n = e + h < d ? size_min(VL, d - e - h) : 0;
            v_store(to + e * rows + row * PANEL_COLUMNS + h, n ? v_load_n(x + e + h, n) : v_zero());
        }
}

static void pack_keys_wide(const Keys *keys, float *to, const real *x)
{
    const AttentionJob *w = keys->w;
    for (size_t j = 0; j < keys->n; j++)
        pack_row(to, x + key_row(keys->span, j) * w->shape->cols + keys->column, j, keys->n, w->d);
}

/* A block of at most LANES queries. */
typedef struct Lanes {
    size_t first, n; /* queries of the span */
    size_t keys;     /* that at least one of them sees */
} Lanes;

static Lanes lanes_of(const Keys *keys, size_t first)
{
    const Span *s = keys->span;
    Lanes b = {.first = first, .n = size_min(LANES, s->nq - first)};
    b.keys = s->n_prefix + span_visible(s, first + b.n - 1, keys->w->shape->causal);
    return b;
}

INLINE size_t lane_at(const Keys *keys, const Lanes *b, size_t lane)
{
    return (keys->span->q + b->first + lane) * keys->w->shape->cols + keys->column;
}

/* Queries (or rows of dout) along the lanes: [d][LANES]. */
static void pack_lanes(const Keys *keys, const Lanes *b, float *to, const real *x)
{
    for (size_t h = 0; h < LANES; h += VL) {
        size_t n = b->n > h ? size_min(VL, b->n - h) : 0;
        for (size_t e = 0; n == 0 && e < keys->w->d; e++)
            v_store(to + e * LANES + h, v_zero());
        if (n > 0)
            pack_transposed(to + h, LANES, x + lane_at(keys, b, h), keys->w->shape->cols, n, keys->w->d);
    }
}

/* c[keys][LANES] = panels lanes. */
static void keys_times_lanes(const Keys *keys, const Lanes *b, float *c, const float *panels, const float *lanes)
{
    size_t d = keys->w->d;
    for (size_t j = 0; j < b->keys;) {
        size_t whole = panel_end(keys, j, keys->n), end = size_min(whole, b->keys);
        Corner o = {.c = c + j * LANES, .ldc = LANES, .columns = LANES};
        panel_kernels[end - j - 1](panels + j * d, whole - j, lanes, d, &o);
        j = end;
    }
}

/* y (rows of queries, add) = c^T x, c [keys][LANES], x packed wide. */
static void lanes_times_keys(const Keys *keys, const Lanes *b, real *y, const float *c, const float *x)
{
    size_t cols = keys->w->shape->cols, d = keys->w->d;
    size_t panels = (b->n + PANEL_ROWS - 1) / PANEL_ROWS;
    for (size_t p = 0; p < panels; p++) {
        size_t i0 = panel_start(p, panels, b->n), rows = panel_start(p + 1, panels, b->n) - i0;
        for (size_t e = 0; e < d; e += PANEL_COLUMNS) {
            Corner o = {.c = y + lane_at(keys, b, i0) + e, .ldc = cols, .columns = size_min(PANEL_COLUMNS, d - e), .add = true};
            panel_kernels[rows - 1](c + i0, LANES, x + e * keys->n, b->keys, &o);
        }
    }
}

/* Keys that a lane sees, as floats: lane by lane. */
INLINE V lanes_see(const Keys *keys, const Lanes *b, size_t h)
{
    float n[VL];
    for (size_t i = 0; i < VL; i++) {
        size_t query = size_min(b->first + h + i, keys->span->nq - 1);
        n[i] = (float)(keys->span->n_prefix + span_visible(keys->span, query, keys->w->shape->causal));
    }
    return v_load(n);
}

/* VL lanes of scores to probabilities; keys not seen get 0, and so do all where a query sees none. */
static void lanes_softmax(const Keys *keys, const Lanes *b, float *p, size_t h, V *max, V *sum)
{
    V see = lanes_see(keys, b, h), scale = v_set((float)keys->w->shape->scale), most = v_set(-INFINITY);
    for (size_t j = 0; j < b->keys; j++) {
        V x = v_less(v_set((float)j), see, v_mul(scale, v_load(p + j * LANES + h)), v_set(-INFINITY));
        v_store(p + j * LANES + h, x);
        most = v_max(x, most);
    }
    V finite = v_max(most, v_set(-3e38f));
    VD low = vd_zero(), high = vd_zero();
    for (size_t j = 0; j < b->keys; j++) {
        V e = v_exp(v_sub(v_load(p + j * LANES + h), finite));
        v_store(p + j * LANES + h, e);
        low = vd_add(low, vd_low(e));
        high = vd_add(high, vd_high(e));
    }
    *max = most;
    *sum = vd_join(low, high);
    V inverse = v_less(*sum, v_set(1e-30f), v_zero(), v_div(v_set(1), *sum));
    for (size_t j = 0; j < b->keys; j++)
        v_store(p + j * LANES + h, v_mul(v_load(p + j * LANES + h), inverse));
}

static void lanes_keep_stats(const Keys *keys, const Lanes *b, size_t h, V max, V sum)
{
    float m[VL], s[VL];
    v_store(m, max);
    v_store(s, sum);
    for (size_t i = 0; i < VL && h + i < b->n; i++) {
        real *stats = keys->w->stats + ((keys->span->q + b->first + h + i) * keys->w->shape->heads + keys->head) * 2;
        stats[0] = m[i];
        stats[1] = s[i];
    }
}

static void head_forward(const AttentionJob *w, const Span *span, size_t head)
{
    Keys keys = keys_of(w, span, head);
    float *panels = scratch(SCRATCH_ROWS, (keys.n * (w->d + keys.wide + LANES) + (w->d + 1) * LANES) * sizeof *panels);
    float *p = panels + keys.n * w->d + VL, *values = p + keys.n * LANES, *lanes = values + keys.n * keys.wide;
    pack_panels(&keys, panels, w->k);
    pack_keys_wide(&keys, values, w->v);
    for (size_t first = 0; first < span->nq; first += LANES) {
        Lanes b = lanes_of(&keys, first);
        pack_lanes(&keys, &b, lanes, w->q);
        keys_times_lanes(&keys, &b, p, panels, lanes);
        for (size_t h = 0; h < LANES && h < b.n; h += VL) {
            V max, sum;
            lanes_softmax(&keys, &b, p, h, &max, &sum);
            if (w->stats)
                lanes_keep_stats(&keys, &b, h, max, sum);
        }
        lanes_times_keys(&keys, &b, w->out, p, values);
    }
}

/* --- Backward. --- */

/* For VL lanes: the probabilities again from scores and what the forward pass kept, and dp to ds = p (dp - dout . out) scale. */
static void lanes_softmax_backward(const Keys *keys, const Lanes *b, float *p, float *dp, size_t h)
{
    const AttentionJob *w = keys->w;
    float max[VL] = {0}, inverse[VL] = {0}, dot[VL] = {0};
    for (size_t i = 0; i < VL && h + i < b->n; i++) {
        size_t query = keys->span->q + b->first + h + i, at = lane_at(keys, b, h + i);
        const real *stats = w->kept_stats + (query * w->shape->heads + keys->head) * 2;
        max[i] = stats[0] > -3e38f ? stats[0] : -3e38f;
        inverse[i] = stats[1] < 1e-30f ? 0 : 1 / stats[1];
        double sum = 0;
        for (size_t e = 0; e < w->d; e++)
            sum += (double)w->dout[at + e] * (double)w->kept_out[at + e];
        dot[i] = (float)sum;
    }
    V see = lanes_see(keys, b, h), scale = v_set((float)w->shape->scale);
    for (size_t j = 0; j < b->keys; j++) {
        float *pj = p + j * LANES + h, *dj = dp + j * LANES + h;
        V x = v_less(v_set((float)j), see, v_mul(scale, v_load(pj)), v_set(-INFINITY));
        V prob = v_mul(v_exp(v_sub(x, v_load(max))), v_load(inverse));
        v_store(pj, prob);
        v_store(dj, v_mul(v_mul(prob, scale), v_sub(v_load(dj), v_load(dot))));
    }
}

/* y (rows of keys, add) = c x, c [keys][LANES], x (rows of queries) packed wide; transposed: room for c turned round. */
static void keys_times_queries(const Keys *keys, const Lanes *b, real *y, const float *c, const float *x, float *transposed)
{
    size_t stride = (b->keys + VL - 1) / VL * VL, d = keys->w->d, cols = keys->w->shape->cols;
    for (size_t j = 0; j < b->keys; j += VL)
        for (size_t h = 0; h < LANES; h += VL) {
            V r[VL];
            for (size_t i = 0; i < VL; i++)
                r[i] = j + i < b->keys ? v_load(c + (j + i) * LANES + h) : v_zero();
            v_store_transposed(transposed + h * stride + j, stride, r, VL, VL);
        }
    for (size_t j = 0; j < b->keys;) {
        size_t end = panel_end(keys, j, b->keys);
        for (size_t e = 0; e < d; e += PANEL_COLUMNS) {
            Corner o = {.c = y + key_row(keys->span, j) * cols + keys->column + e,
                        .ldc = cols,
                        .columns = size_min(PANEL_COLUMNS, d - e),
                        .add = true};
            panel_kernels[end - j - 1](transposed + j, stride, x + e * LANES, b->n, &o);
        }
        j = end;
    }
}

/* The packed factors of one head of one span, and the matrices of a block. */
typedef struct Backward {
    float *key_panels, *value_panels; /* left, for scores and dp */
    float *keys_wide;                 /* right, for dq */
    float *p, *dp, *transposed;
    float *lanes, *rows; /* queries or dout: along the lanes; and as right panels */
} Backward;

static Backward backward_room(const Keys *keys)
{
    size_t d = keys->w->d, n = keys->n + VL;
    float *room = scratch(SCRATCH_ROWS, (n * (2 * d + keys->wide + 3 * LANES) + (d + keys->wide) * LANES) * sizeof *room);
    Backward r = {.key_panels = room};
    r.value_panels = r.key_panels + n * d;
    r.keys_wide = r.value_panels + n * d;
    r.p = r.keys_wide + n * keys->wide;
    r.dp = r.p + n * LANES;
    r.transposed = r.dp + n * LANES;
    r.lanes = r.transposed + n * LANES;
    r.rows = r.lanes + d * LANES;
    return r;
}

static void pack_queries_wide(const Keys *keys, const Lanes *b, float *to, const real *x)
{
    for (size_t i = 0; i < b->n; i++)
        pack_row(to, x + lane_at(keys, b, i), i, LANES, keys->w->d);
}

static void block_backward(const Keys *keys, const Lanes *b, const Backward *r)
{
    const AttentionJob *w = keys->w;
    pack_lanes(keys, b, r->lanes, w->q);
    keys_times_lanes(keys, b, r->p, r->key_panels, r->lanes);
    pack_lanes(keys, b, r->lanes, w->dout);
    keys_times_lanes(keys, b, r->dp, r->value_panels, r->lanes); /* in the forward pass this was out = p v */
    for (size_t h = 0; h < LANES; h += VL)
        lanes_softmax_backward(keys, b, r->p, r->dp, h);
    if (w->dv) {
        pack_queries_wide(keys, b, r->rows, w->dout);
        keys_times_queries(keys, b, w->dv, r->p, r->rows, r->transposed);
    }
    if (w->dq) /* in the forward pass this was scores = q k^T */
        lanes_times_keys(keys, b, w->dq, r->dp, r->keys_wide);
    if (w->dk) {
        pack_queries_wide(keys, b, r->rows, w->q);
        keys_times_queries(keys, b, w->dk, r->dp, r->rows, r->transposed);
    }
}

static void head_backward(const AttentionJob *w, const Span *span, size_t head)
{
    Keys keys = keys_of(w, span, head);
    if (keys.n == 0)
        return;
    Backward r = backward_room(&keys);
    pack_panels(&keys, r.key_panels, w->k);
    pack_panels(&keys, r.value_panels, w->v);
    pack_keys_wide(&keys, r.keys_wide, w->k);
    for (size_t first = 0; first < span->nq; first += LANES) {
        Lanes b = lanes_of(&keys, first);
        if (b.keys > 0)
            block_backward(&keys, &b, &r);
    }
}

#endif
