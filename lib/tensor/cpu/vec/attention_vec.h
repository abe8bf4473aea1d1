/*
 * Attention on vectors, by span and head. The formulas are plain_attention.c's.
 *
 * The queries of a step of decoding read keys and values where they lie. Those of sequences are taken 2 VL at a time as the lanes
 * of transposed scores [keys][lanes], so that the softmax needs no sums across lanes and its result is at once the packed left
 * factor of p v. Either way a query's sums run over the keys in their order, prefix or own, whatever other queries there are.
 */
#include <math.h>
#include <string.h>

#include "base/pool.h"
#include "tensor/cpu/vec/terms_f32.h"
#include "tensor/cpu/vec/panel_vec.h"
#include "tensor/cpu/vec/attention_block_vec.h"

/* Rows of keys and values are far apart: those to come are asked for this many ahead. */
enum { KEYS_AHEAD = 16 };

/* scores[j] = scale q . key j for `count` rows of x from row0 on. */
static void step_scores(const AttentionJob *w, float *scores, const float *q, size_t row0, size_t count, size_t head)
{
    size_t cols = w->shape->cols;
    const float *x = w->k + row0 * cols + head * w->d;
    for (size_t j = 0; j < count; j += 4) {
        V sum[4] = {v_zero(), v_zero(), v_zero(), v_zero()};
        const float *key[4];
        for (size_t c = 0; c < 4; c++)
            key[c] = x + size_min(j + c, count - 1) * cols;
        for (size_t e = 0; e < w->d; e += VL) {
            size_t n = size_min(VL, w->d - e);
            V qe = v_load_n(q + e, n);
            for (size_t c = 0; c < 4; c++) {
                _mm_prefetch((const char *)(key[c] + KEYS_AHEAD * cols + e), _MM_HINT_T0);
                sum[c] = v_fma(qe, v_load_n(key[c] + e, n), sum[c]);
            }
        }
        float dots[4];
        _mm_storeu_ps(dots, v_sum4(sum[0], sum[1], sum[2], sum[3]));
        for (size_t c = 0; c < 4 && j + c < count; c++)
            scores[j + c] = (float)w->shape->scale * dots[c];
    }
}

/* out += sum of p[j] value j, for `count` rows of v from row0 on; VL values of a head at a time. */
static void step_values(const AttentionJob *w, float *out, const float *p, size_t row0, size_t count, size_t head)
{
    size_t cols = w->shape->cols;
    for (size_t e = 0; e < w->d; e += 2 * VL) {
        const float *v = w->v + row0 * cols + head * w->d + e;
        size_t n0 = size_min(VL, w->d - e), n1 = w->d - e > VL ? size_min(VL, w->d - e - VL) : 0;
        V a0 = v_load_n(out + e, n0), a1 = n1 ? v_load_n(out + e + VL, n1) : v_zero();
        for (size_t j = 0; j < count; j++, v += cols) {
            V pj = v_set(p[j]);
            _mm_prefetch((const char *)(v + KEYS_AHEAD * cols), _MM_HINT_T0);
            _mm_prefetch((const char *)(v + KEYS_AHEAD * cols + VL), _MM_HINT_T0);
            a0 = v_fma(pj, v_load_n(v, n0), a0);
            if (n1)
                a1 = v_fma(pj, v_load_n(v + VL, n1), a1);
        }
        v_store_n(out + e, a0, n0);
        if (n1)
            v_store_n(out + e + VL, a1, n1);
    }
}

/* Scores to probabilities. */
static void step_softmax(float *p, size_t n, float *stats)
{
    float max = -INFINITY;
    for (size_t j = 0; j < n; j++)
        max = p[j] > max ? p[j] : max;
    double sum = 0;
    for (size_t j = 0; j < n; j += VL) {
        size_t rest = size_min(VL, n - j);
        v_store_n(p + j, v_exp(v_sub(v_load_n(p + j, rest), v_set(max))), rest);
        for (size_t i = j; i < j + rest; i++)
            sum += (double)p[i];
    }
    for (size_t j = 0; j < n; j++)
        p[j] /= (float)sum;
    if (stats) {
        stats[0] = max;
        stats[1] = (float)sum;
    }
}

static void step_queries(const AttentionJob *w, const Span *s, size_t head)
{
    float *scores = scratch(SCRATCH_ROWS, (s->n_prefix + s->nk + VL) * sizeof *scores);
    for (size_t i = 0; i < s->nq; i++) {
        size_t at = (s->q + i) * w->shape->cols + head * w->d, own = span_visible(s, i, w->shape->causal);
        if (s->n_prefix > 0)
            step_scores(w, scores, w->q + at, s->prefix, s->n_prefix, head);
        if (own > 0)
            step_scores(w, scores + s->n_prefix, w->q + at, s->k, own, head);
        step_softmax(scores, s->n_prefix + own, w->stats ? w->stats + ((s->q + i) * w->shape->heads + head) * 2 : NULL);
        step_values(w, w->out + at, scores, s->prefix, s->n_prefix, head);
        step_values(w, w->out + at, scores + s->n_prefix, s->k, own, head);
    }
}

static void attention_part(void *context, size_t part)
{
    const AttentionJob *w = context;
    const Span *span = &w->shape->spans[part / w->shape->heads];
    if (w->shape->step)
        step_queries(w, span, part % w->shape->heads);
    else
        head_forward(w, span, part % w->shape->heads);
}

static void attention(real *out, real *stats, const real *q, const real *k, const real *v, const AttentionShape *shape)
{
    AttentionJob w = {.out = out, .stats = stats, .q = q, .k = k, .v = v, .shape = shape, .d = shape->cols / shape->heads};
    memset(out, 0, shape->q_rows * shape->cols * sizeof *out);
    pool_run(attention_part, &w, shape->n_spans * shape->heads);
}

/* One head, all spans: spans may share keys, so they take turns. */
static void head_backward_part(void *context, size_t head)
{
    const AttentionJob *w = context;
    for (size_t i = 0; i < w->shape->n_spans; i++)
        if (w->shape->spans[i].nq > 0)
            head_backward(w, &w->shape->spans[i], head);
}

static void attention_backward(real *dq, real *dk, real *dv, const real *dout, const real *out, const real *stats, const real *q,
                               const real *k, const real *v, const AttentionShape *shape)
{
    AttentionJob w = {.dq = dq,
                      .dk = dk,
                      .dv = dv,
                      .dout = dout,
                      .kept_out = out,
                      .kept_stats = stats,
                      .q = q,
                      .k = k,
                      .v = v,
                      .shape = shape,
                      .d = shape->cols / shape->heads};
    pool_run(head_backward_part, &w, shape->heads);
}

void VEC_NAME(attention)(Kernels *t)
{
    t->attention = attention;
    t->attention_backward = attention_backward;
}
