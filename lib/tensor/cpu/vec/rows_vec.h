/* Layer norm, RMS norm and token log-probabilities on vectors, sums in double. The formulas are plain_norm.c's and
 * plain_logits.c's. */
#include <float.h>
#include <math.h>

#include "base/pool.h"
#include "tensor/cpu/largest.h"
#include "tensor/cpu/vec/math_vec.h"
#include "tensor/cpu/plain/plain.h"
#include "tensor/cpu/scratch.h"

/* A running sum in doubles of vectors of floats. */
typedef struct Sum {
    VD low, high;
} Sum;

INLINE Sum sum_zero(void)
{
    return (Sum){vd_zero(), vd_zero()};
}

INLINE void sum_add(Sum *s, V x)
{
    s->low = vd_add(s->low, vd_low(x));
    s->high = vd_add(s->high, vd_high(x));
}

INLINE void sum_add_product(Sum *s, V x, V y)
{
    s->low = vd_fma(vd_low(x), vd_low(y), s->low);
    s->high = vd_fma(vd_high(x), vd_high(y), s->high);
}

INLINE double sum_total(Sum s)
{
    return vd_sum(vd_add(s.low, s.high));
}

typedef struct NormRows {
    real *y, *mean, *rstd, *dx;
    const real *dy, *x, *gamma, *beta, *kept_mean, *kept_rstd;
    double eps;
    size_t cols;
} NormRows;

static double row_mean(const real *x, size_t n)
{
    Sum s = sum_zero();
    for (size_t j = 0; j < n; j += VL)
        sum_add(&s, v_load_n(x + j, size_min(VL, n - j)));
    return sum_total(s) / (double)n;
}

static double row_variance(const real *x, double mean, size_t n)
{
    Sum s = sum_zero();
    VD minus = vd_set(-mean);
    size_t j = 0;
    for (; j + VL <= n; j += VL) {
        V v = v_load(x + j);
        VD low = vd_add(vd_low(v), minus), high = vd_add(vd_high(v), minus);
        s.low = vd_fma(low, low, s.low);
        s.high = vd_fma(high, high, s.high);
    }
    double sum = sum_total(s);
    for (; j < n; j++)
        sum += ((double)x[j] - mean) * ((double)x[j] - mean);
    return sum / (double)n;
}

static void layernorm_row(const void *context, size_t i)
{
    const NormRows *w = context;
    const real *x = w->x + i * w->cols;
    double mean = row_mean(x, w->cols), rstd = 1 / sqrt(row_variance(x, mean, w->cols) + w->eps);
    w->mean[i] = (real)mean;
    w->rstd[i] = (real)rstd;
    V m = v_set(w->mean[i]), r = v_set(w->rstd[i]);
    for (size_t j = 0; j < w->cols; j += VL) {
        size_t n = size_min(VL, w->cols - j);
        V xhat = v_mul(v_sub(v_load_n(x + j, n), m), r);
        v_store_n(w->y + i * w->cols + j, v_fma(xhat, v_load_n(w->gamma + j, n), v_load_n(w->beta + j, n)), n);
    }
}

static void layernorm(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, double eps,
                      size_t rows, size_t cols)
{
    NormRows w = {.y = y, .mean = mean, .rstd = rstd, .x = x, .gamma = gamma, .beta = beta, .eps = eps, .cols = cols};
    rows_run(layernorm_row, &w, rows, cols);
}

/* One row of dx += rstd (g - mean(g) - xhat mean(g xhat)), g = dy gamma. */
static void layernorm_dx_row(const void *context, size_t i)
{
    const NormRows *w = context;
    const real *x = w->x + i * w->cols, *dy = w->dy + i * w->cols;
    real *dx = w->dx + i * w->cols;
    V mean = v_set(w->kept_mean[i]), rstd = v_set(w->kept_rstd[i]);
    Sum sum = sum_zero(), sum_xhat = sum_zero();
    for (size_t j = 0; j < w->cols; j += VL) {
        size_t n = size_min(VL, w->cols - j);
        V g = v_mul(v_load_n(dy + j, n), v_load_n(w->gamma + j, n));
        sum_add(&sum, g);
        sum_add_product(&sum_xhat, g, v_mul(v_sub(v_load_n(x + j, n), mean), rstd));
    }
    V a = v_set((float)(sum_total(sum) / (double)w->cols)), b = v_set((float)(sum_total(sum_xhat) / (double)w->cols));
    for (size_t j = 0; j < w->cols; j += VL) {
        size_t n = size_min(VL, w->cols - j);
        V xhat = v_mul(v_sub(v_load_n(x + j, n), mean), rstd);
        V g = v_sub(v_mul(v_load_n(dy + j, n), v_load_n(w->gamma + j, n)), a);
        v_store_n(dx + j, v_fma(rstd, v_fnma(xhat, b, g), v_load_n(dx + j, n)), n);
    }
}

/* The gradients of gamma and beta are rarely wanted, and plain C does them well. */
static void (*layernorm_backward_lower)(real *, real *, real *, const real *, const real *, const real *, const real *,
                                        const real *, size_t, size_t);

static void layernorm_backward(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                               const real *rstd, const real *gamma, size_t rows, size_t cols)
{
    NormRows w = {.dx = dx, .dy = dy, .x = x, .gamma = gamma, .kept_mean = mean, .kept_rstd = rstd, .cols = cols};
    if (dx)
        rows_run(layernorm_dx_row, &w, rows, cols);
    if (dgamma || dbeta)
        layernorm_backward_lower(NULL, dgamma, dbeta, dy, x, mean, rstd, gamma, rows, cols);
}

static void rmsnorm_row(const void *context, size_t i)
{
    const NormRows *w = context;
    const real *x = w->x + i * w->cols;
    Sum squares = sum_zero();
    for (size_t j = 0; j < w->cols; j += VL) {
        V v = v_load_n(x + j, size_min(VL, w->cols - j));
        sum_add_product(&squares, v, v);
    }
    w->rstd[i] = (real)(1 / sqrt(sum_total(squares) / (double)w->cols + w->eps));
    V r = v_set(w->rstd[i]);
    for (size_t j = 0; j < w->cols; j += VL) {
        size_t n = size_min(VL, w->cols - j);
        v_store_n(w->y + i * w->cols + j, v_mul(v_mul(v_load_n(x + j, n), r), v_load_n(w->gamma + j, n)), n);
    }
}

static void rmsnorm(real *y, real *rstd, const real *x, const real *gamma, double eps, size_t rows, size_t cols)
{
    rows_run(rmsnorm_row, &(NormRows){.y = y, .rstd = rstd, .x = x, .gamma = gamma, .eps = eps, .cols = cols}, rows, cols);
}

/* One row of dx += rstd (g - xhat mean(g xhat)), g = dy gamma. */
static void rmsnorm_dx_row(const void *context, size_t i)
{
    const NormRows *w = context;
    const real *x = w->x + i * w->cols, *dy = w->dy + i * w->cols;
    real *dx = w->dx + i * w->cols;
    V rstd = v_set(w->kept_rstd[i]);
    Sum sum = sum_zero();
    for (size_t j = 0; j < w->cols; j += VL) {
        size_t n = size_min(VL, w->cols - j);
        sum_add_product(&sum, v_mul(v_load_n(dy + j, n), v_load_n(w->gamma + j, n)), v_mul(v_load_n(x + j, n), rstd));
    }
    V mean = v_set((float)(sum_total(sum) / (double)w->cols));
    for (size_t j = 0; j < w->cols; j += VL) {
        size_t n = size_min(VL, w->cols - j);
        V g = v_mul(v_load_n(dy + j, n), v_load_n(w->gamma + j, n)), xhat = v_mul(v_load_n(x + j, n), rstd);
        v_store_n(dx + j, v_fma(rstd, v_fnma(xhat, mean, g), v_load_n(dx + j, n)), n);
    }
}

/* The gradient of gamma is rarely wanted, and plain C does it well. */
static void (*rmsnorm_backward_lower)(real *, real *, const real *, const real *, const real *, const real *, size_t, size_t);

static void rmsnorm_backward(real *dx, real *dgamma, const real *dy, const real *x, const real *rstd, const real *gamma,
                             size_t rows, size_t cols)
{
    NormRows w = {.dx = dx, .dy = dy, .x = x, .gamma = gamma, .kept_rstd = rstd, .cols = cols};
    if (dx)
        rows_run(rmsnorm_dx_row, &w, rows, cols);
    if (dgamma)
        rmsnorm_backward_lower(NULL, dgamma, dy, x, rstd, gamma, rows, cols);
}

typedef struct LogitRows {
    real *logp, *lse, *entropy, *dlogits;
    const real *dlogp, *dentropy, *kept_entropy, *kept_lse, *logits;
    const int32_t *targets;
    size_t cols;
} LogitRows;

static float row_max(const real *x, size_t n)
{
    V max = v_set(x[0]);
    size_t j = 0;
    for (; j + VL <= n; j += VL)
        max = v_max(v_load(x + j), max);
    float most = v_max_lanes(max);
    for (; j < n; j++)
        most = x[j] > most ? x[j] : most;
    return most;
}

static void token_logp_part(void *context, size_t i)
{
    const LogitRows *w = context;
    const real *x = w->logits + i * w->cols;
    float max = row_max(x, w->cols);
    Sum sum = sum_zero(), weighted = sum_zero(); /* of e^(x-max), and of that times (x - max) */
    size_t j = 0;
    for (; j + VL <= w->cols; j += VL) {
        V d = v_sub(v_load(x + j), v_set(max)), e = v_exp(d);
        sum_add(&sum, e);
        if (w->entropy) /* 0 log 0 is 0, also where x is -infinity */
            sum_add_product(&weighted, e, v_less(d, v_set(-87.33f), v_zero(), d));
    }
    double total = sum_total(sum), total_weighted = sum_total(weighted);
    for (; j < w->cols; j++) {
        double d = (double)(x[j] - max), e = exp(d);
        total += e;
        total_weighted += d < -87.33 ? 0 : e * d;
    }
    double lse = log(total);
    w->lse[i] = (real)((double)max + lse);
    w->logp[i] = (real)((double)(x[w->targets[i]] - max) - lse);
    if (w->entropy)
        w->entropy[i] = (real)(lse - total_weighted / total);
}

static void token_logp(real *logp, real *lse, real *entropy, const real *logits, const int32_t *targets, size_t rows, size_t cols)
{
    LogitRows w = {.logp = logp, .lse = lse, .entropy = entropy, .logits = logits, .targets = targets, .cols = cols};
    pool_run(token_logp_part, &w, rows);
}

/* In the forward pass this was logp = x[target] - log sum exp x, so dx = dlogp (onehot(target) - e^(x - lse)). */
static void token_logp_backward_part(void *context, size_t i)
{
    const LogitRows *w = context;
    const real *x = w->logits + i * w->cols;
    real *dx = w->dlogits + i * w->cols;
    V lse = v_set(w->kept_lse[i]), minus = v_set(-w->dlogp[i]);
    for (size_t j = 0; j < w->cols; j += VL) {
        size_t n = size_min(VL, w->cols - j);
        v_store_n(dx + j, v_mul(minus, v_exp(v_sub(v_load_n(x + j, n), lse))), n);
    }
    dx[w->targets[i]] += w->dlogp[i];
}

static void token_logp_backward(real *dlogits, const real *dlogp, const real *logits, const real *lse, const int32_t *targets,
                                size_t rows, size_t cols)
{
    LogitRows w = {.dlogits = dlogits, .dlogp = dlogp, .kept_lse = lse, .logits = logits, .targets = targets, .cols = cols};
    pool_run(token_logp_backward_part, &w, rows);
}

/* In the forward pass this was H = -sum p log p, so dx = -dH p (log p + H). */
static void entropy_backward_part(void *context, size_t i)
{
    const LogitRows *w = context;
    const real *x = w->logits + i * w->cols;
    real *dx = w->dlogits + i * w->cols;
    V lse = v_set(w->kept_lse[i]), minus = v_set(-w->dentropy[i]), entropy = v_set(w->kept_entropy[i]);
    for (size_t j = 0; j < w->cols; j += VL) {
        size_t n = size_min(VL, w->cols - j);
        V log_p = v_sub(v_load_n(x + j, n), lse), term = v_mul(v_mul(minus, v_exp(log_p)), v_add(log_p, entropy));
        v_store_n(dx + j, v_less(log_p, v_set(-87.33f), v_zero(), term), n); /* 0 log 0 is 0, also where x is -infinity */
    }
}

static void entropy_backward(real *dlogits, const real *dentropy, const real *entropy, const real *logits, const real *lse,
                             size_t rows, size_t cols)
{
    LogitRows w = {
        .dlogits = dlogits, .dentropy = dentropy, .kept_entropy = entropy, .kept_lse = lse, .logits = logits, .cols = cols};
    pool_run(entropy_backward_part, &w, rows);
}

/*
 * A row is cut into pieces that stay in the cache, in the same way for any number of rows; each has its own k largest and sum of
 * exponentials, which are joined.
 */
enum { PIECE = 8192, MOST_LISTED = 128 }; /* so long a list, and scratch memory does not grow with it */

typedef struct Piece {
    Largest largest;
    float top;  /* the largest, at least -FLT_MAX */
    double sum; /* of e^(x - top) */
} Piece;

typedef struct TopKWork {
    Piece *pieces; /* [rows, per_row] */
    const real *logits;
    size_t cols, per_row;
} TopKWork;

/* Where the list is full, whole vectors are compared with its last: few have anything larger. */
static void piece_largest(Largest *l, const real *x, size_t first, size_t end)
{
    size_t j = first;
    for (; j < end && l->n < l->k; j++)
        largest_add(l, x[j], (int32_t)j);
    for (; j + VL <= end; j += VL)
        for (unsigned more = v_greater(v_load(x + j), v_set(l->values[l->k - 1])); more; more &= more - 1) {
            size_t at = j + (size_t)__builtin_ctz(more);
            largest_add(l, x[at], (int32_t)at);
        }
    for (; j < end; j++)
        largest_add(l, x[j], (int32_t)j);
}

static double piece_sum(const real *x, float top, size_t first, size_t end)
{
    Sum sum = sum_zero();
    size_t j = first;
    for (; j + VL <= end; j += VL)
        sum_add(&sum, v_exp(v_sub(v_load(x + j), v_set(top))));
    double total = sum_total(sum);
    for (; j < end; j++)
        total += exp((double)(x[j] - top));
    return total;
}

static void top_k_part(void *context, size_t part)
{
    const TopKWork *w = context;
    Piece *p = &w->pieces[part];
    const real *x = w->logits + part / w->per_row * w->cols;
    size_t first = part % w->per_row * PIECE, end = size_min(w->cols, first + PIECE);
    piece_largest(&p->largest, x, first, end);
    p->top = p->largest.n > 0 ? fmaxf(p->largest.values[0], -FLT_MAX) : -FLT_MAX;
    p->sum = piece_sum(x, p->top, first, end);
}

/* The pieces of a row, joined: `row` lists its largest; returns its lse. */
static double pieces_join(Largest *row, const Piece *pieces, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < pieces[i].largest.n; j++)
            largest_add(row, pieces[i].largest.values[j], pieces[i].largest.ids[j]);
    largest_end(row);
    double top = fmax((double)row->values[0], -FLT_MAX);
    for (size_t i = 0; i < n; i++)
        sum += pieces[i].sum * exp((double)pieces[i].top - top);
    return top + log(sum);
}

static void top_k(real *values, int32_t *ids, double *lse, const real *logits, size_t rows, size_t cols, size_t k)
{
    size_t per_row = (cols + PIECE - 1) / PIECE, n = rows * per_row, room = (k + MOST_LISTED - 1) / MOST_LISTED * MOST_LISTED;
    Piece *pieces = scratch(SCRATCH_PIECES, n * (sizeof *pieces + room * (sizeof *values + sizeof *ids)));
    real *found = (real *)(pieces + n);
    int32_t *at = (int32_t *)(found + n * k);
    for (size_t i = 0; i < n; i++)
        pieces[i] = (Piece){.largest = {.values = found + i * k, .ids = at + i * k, .k = k}};
    pool_run(top_k_part, &(TopKWork){pieces, logits, cols, per_row}, n);
    for (size_t i = 0; i < rows; i++) {
        Largest row = {.values = values + i * k, .ids = ids + i * k, .k = k};
        lse[i] = pieces_join(&row, pieces + i * per_row, per_row);
    }
}

void VEC_NAME(rows)(Kernels *t)
{
    t->top_k = top_k;
    layernorm_backward_lower = t->layernorm_backward;
    t->layernorm = layernorm;
    t->layernorm_backward = layernorm_backward;
    rmsnorm_backward_lower = t->rmsnorm_backward;
    t->rmsnorm = rmsnorm;
    t->rmsnorm_backward = rmsnorm_backward;
    t->token_logp = token_logp;
    t->token_logp_backward = token_logp_backward;
    t->entropy_backward = entropy_backward;
}
