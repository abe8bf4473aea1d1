/* GELU in its three forms, SwiGLU, rotary positions and Adam on vectors: what the compiler does not vectorise by itself in
 * plain_*.c. Included after vec_*.h. */
#include <math.h>

#include "base/pool.h"
#include "tensor/cpu/vec/math_vec.h"
#include "tensor/cpu/plain/plain.h"

enum { ABREAST = 8 }; /* vectors at a time, see v_normal_cdf */

INLINE void gelu_abreast(real *y, const real *x, size_t vectors, size_t width)
{
    V v[ABREAST], cdf[ABREAST];
    for (size_t i = 0; i < vectors; i++)
        v[i] = v_load_n(x + i * VL, width);
    v_normal_cdf(cdf, v, vectors);
    for (size_t i = 0; i < vectors; i++)
        v_store_n(y + i * VL, v_mul(v[i], cdf[i]), width);
}

static void gelu_run(real *y, const real *x, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    size_t i = 0;
    for (; i + ABREAST * VL <= n; i += ABREAST * VL)
        gelu_abreast(y + i, x + i, ABREAST, VL);
    for (; i < n; i += VL)
        gelu_abreast(y + i, x + i, 1, size_min(VL, n - i));
}

static void gelu(real *y, const real *x, size_t n)
{
    elements_run(gelu_run, y, x, NULL, 0, n);
}

/* In the forward pass this was y = x Phi(x), so dx += dy (Phi(x) + x phi(x)); where phi is 0, x phi is too: not inf * 0. */
INLINE void gelu_backward_abreast(real *dx, const real *dy, const real *x, size_t vectors, size_t width)
{
    V v[ABREAST], cdf[ABREAST];
    for (size_t i = 0; i < vectors; i++)
        v[i] = v_load_n(x + i * VL, width);
    v_normal_cdf(cdf, v, vectors);
    for (size_t i = 0; i < vectors; i++) {
        V density = v_mul(v_set(0.39894228f), v_exp(v_mul(v_mul(v[i], v[i]), v_set(-0.5f))));
        V slope = v_add(cdf[i], v_less(v_abs(v[i]), v_set(14), v_mul(v[i], density), v_mul(v_zero(), density)));
        real *to = dx + i * VL;
        v_store_n(to, v_fma(v_load_n(dy + i * VL, width), slope, v_load_n(to, width)), width);
    }
}

static void gelu_backward_run(real *dx, const real *dy, const real *x, double c, size_t n)
{
    (void)c;
    size_t i = 0;
    for (; i + ABREAST * VL <= n; i += ABREAST * VL)
        gelu_backward_abreast(dx + i, dy + i, x + i, ABREAST, VL);
    for (; i < n; i += VL)
        gelu_backward_abreast(dx + i, dy + i, x + i, 1, size_min(VL, n - i));
}

static void gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    elements_run(gelu_backward_run, dx, dy, x, 0, n);
}

/* 1 / (1 + e^-x); 0 where e^-x is too large for a float. */
INLINE V v_sigmoid(V x)
{
    return v_less(x, v_set(-88), v_zero(), v_div(v_set(1), v_add(v_set(1), v_exp(v_sub(v_zero(), x)))));
}

static void swiglu_run(real *y, const real *gate, const real *up, double c, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n; i += VL) {
        size_t width = size_min(VL, n - i);
        V g = v_load_n(gate + i, width);
        v_store_n(y + i, v_mul(v_mul(g, v_sigmoid(g)), v_load_n(up + i, width)), width);
    }
}

static void swiglu(real *y, const real *gate, const real *up, size_t n)
{
    elements_run(swiglu_run, y, gate, up, 0, n);
}

typedef struct SwigluBackward {
    real *dgate, *dup;
    const real *dy, *gate, *up;
    size_t n;
} SwigluBackward;

/* In the forward pass this was y = silu(gate) up; with s = 1 / (1 + e^-gate), silu' = s (1 + gate (1 - s)). */
static void swiglu_backward_part(void *context, size_t part)
{
    const SwigluBackward *w = context;
    size_t at = part * ELEMENTS_PER_PART, end = size_min(w->n, at + ELEMENTS_PER_PART);
    for (size_t i = at; i < end; i += VL) {
        size_t n = size_min(VL, end - i);
        V g = v_load_n(w->gate + i, n), dy = v_load_n(w->dy + i, n), s = v_sigmoid(g), silu = v_mul(g, s);
        V slope = v_add(s, v_mul(silu, v_sub(v_set(1), s)));
        if (w->dgate)
            v_store_n(w->dgate + i, v_fma(v_mul(dy, v_load_n(w->up + i, n)), slope, v_load_n(w->dgate + i, n)), n);
        if (w->dup)
            v_store_n(w->dup + i, v_fma(dy, silu, v_load_n(w->dup + i, n)), n);
    }
}

static void swiglu_backward(real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n)
{
    SwigluBackward w = {dgate, dup, dy, gate, up, n};
    pool_run(swiglu_backward_part, &w, (n + ELEMENTS_PER_PART - 1) / ELEMENTS_PER_PART);
}

typedef struct Rotate {
    real *x;
    const real *angles;
    float direction;
    size_t heads, dim;
} Rotate;

static void rotate_row(const void *context, size_t i)
{
    const Rotate *w = context;
    size_t half = w->dim / 2;
    const real *cosines = w->angles + i * w->dim, *sines = cosines + half;
    V direction = v_set(w->direction);
    for (size_t h = 0; h < w->heads; h++) {
        real *a = w->x + (i * w->heads + h) * w->dim, *b = a + half;
        for (size_t j = 0; j < half; j += VL) {
            size_t n = size_min(VL, half - j);
            V first = v_load_n(a + j, n), second = v_load_n(b + j, n), cosine = v_load_n(cosines + j, n);
            V sine = v_mul(direction, v_load_n(sines + j, n));
            v_store_n(a + j, v_fnma(second, sine, v_mul(first, cosine)), n);
            v_store_n(b + j, v_fma(first, sine, v_mul(second, cosine)), n);
        }
    }
}

static void rotate(real *x, const real *angles, bool back, size_t rows, size_t heads, size_t dim)
{
    rows_run(rotate_row, &(Rotate){x, angles, back ? -1 : 1, heads, dim}, rows, heads * dim);
}

/* The logistic function of z by e = exp(-|z|), and its slope e / (1 + e)^2. */
INLINE V logistic(V z, V *slope)
{
    V e = v_exp(v_sub(v_zero(), v_abs(z))), whole = v_add(v_set(1), e);
    *slope = v_div(e, v_mul(whole, whole));
    return v_div(v_less(z, v_zero(), e, v_set(1)), whole);
}

static void quick_gelu_run(real *y, const real *x, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    V slope;
    for (size_t i = 0; i < n; i += VL) {
        size_t width = size_min(VL, n - i);
        V v = v_load_n(x + i, width);
        v_store_n(y + i, v_mul(v, logistic(v_mul(v_set(1.702f), v), &slope)), width);
    }
}

static void quick_gelu(real *y, const real *x, size_t n)
{
    elements_run(quick_gelu_run, y, x, NULL, 0, n);
}

/* In the forward pass this was y = x S(1.702 x), so dx += dy (S + 1.702 x S'); where S' is 0, x S' is too: not inf * 0. */
static void quick_gelu_backward_run(real *dx, const real *dy, const real *x, double c, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n; i += VL) {
        size_t width = size_min(VL, n - i);
        V v = v_load_n(x + i, width), slope, s = logistic(v_mul(v_set(1.702f), v), &slope);
        V bend = v_less(v_zero(), slope, v_mul(v_mul(v_set(1.702f), v), slope), v_zero());
        v_store_n(dx + i, v_fma(v_load_n(dy + i, width), v_add(s, bend), v_load_n(dx + i, width)), width);
    }
}

static void quick_gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    elements_run(quick_gelu_backward_run, dx, dy, x, 0, n);
}

/* (1 + tanh u) / 2 is the logistic function of 2 u: 2 sqrt(2 / pi) x (1 + c x^2), with 3 c the slope's. */
INLINE V tanh_argument(V x, float c)
{
    return v_mul(v_mul(v_set(1.59576912f), x), v_fma(v_mul(v_set(c), x), x, v_set(1)));
}

static void gelu_tanh_run(real *y, const real *x, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    V slope;
    for (size_t i = 0; i < n; i += VL) {
        size_t width = size_min(VL, n - i);
        V v = v_load_n(x + i, width);
        v_store_n(y + i, v_mul(v, logistic(tanh_argument(v, 0.044715f), &slope)), width);
    }
}

static void gelu_tanh(real *y, const real *x, size_t n)
{
    elements_run(gelu_tanh_run, y, x, NULL, 0, n);
}

/* In the forward pass this was y = x S(z), z = k (x + c x^3), so dx += dy (S + x S' k (1 + 3 c x^2)); not inf * 0. */
static void gelu_tanh_backward_run(real *dx, const real *dy, const real *x, double c, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n; i += VL) {
        size_t width = size_min(VL, n - i);
        V v = v_load_n(x + i, width), slope, s = logistic(tanh_argument(v, 0.044715f), &slope);
        V bend = v_less(v_zero(), slope, v_mul(tanh_argument(v, 0.134145f), slope), v_zero());
        v_store_n(dx + i, v_fma(v_load_n(dy + i, width), v_add(s, bend), v_load_n(dx + i, width)), width);
    }
}

static void gelu_tanh_backward(real *dx, const real *dy, const real *x, size_t n)
{
    elements_run(gelu_tanh_backward_run, dx, dy, x, 0, n);
}

typedef struct Adam {
    real *p, *m, *v;
    const real *grad;
    const AdamStep *step;
    double bias1, bias2; /* 1 - beta^step */
    size_t n;
} Adam;

/* As plain_optimizer.c, with the moments and the step in f32 (as torch's), and constants made in double. */
static void adam_part(void *context, size_t part)
{
    const Adam *a = context;
    const AdamStep *s = a->step;
    V beta1 = v_set((float)s->beta1), rest1 = v_set((float)(1 - s->beta1));
    V beta2 = v_set((float)s->beta2), rest2 = v_set((float)(1 - s->beta2));
    V decay = v_set((float)(s->learning_rate * s->weight_decay)), eps = v_set((float)s->eps);
    V rate = v_set((float)(s->learning_rate / a->bias1)), root2 = v_set((float)(1 / sqrt(a->bias2)));
    size_t at = part * ELEMENTS_PER_PART, end = size_min(a->n, at + ELEMENTS_PER_PART);
    for (size_t i = at; i < end; i += VL) {
        size_t n = size_min(VL, end - i);
        V g = v_load_n(a->grad + i, n), p = v_load_n(a->p + i, n);
        V m = v_fma(beta1, v_load_n(a->m + i, n), v_mul(rest1, g));
        V v = v_fma(beta2, v_load_n(a->v + i, n), v_mul(v_mul(rest2, g), g));
        V change = v_div(v_mul(rate, m), v_fma(v_sqrt(v), root2, eps));
        v_store_n(a->m + i, m, n);
        v_store_n(a->v + i, v, n);
        v_store_n(a->p + i, v_sub(v_fnma(decay, p, p), change), n);
    }
}

static void adam(real *p, const real *grad, real *m, real *v, const AdamStep *step, size_t n)
{
    Adam a = {p, m, v, grad, step, 1 - pow(step->beta1, (double)step->step), 1 - pow(step->beta2, (double)step->step), n};
    pool_run(adam_part, &a, (n + ELEMENTS_PER_PART - 1) / ELEMENTS_PER_PART);
}

void VEC_NAME(elementwise)(Kernels *t)
{
    t->gelu = gelu;
    t->gelu_backward = gelu_backward;
    t->quick_gelu = quick_gelu;
    t->quick_gelu_backward = quick_gelu_backward;
    t->gelu_tanh = gelu_tanh;
    t->gelu_tanh_backward = gelu_tanh_backward;
    t->swiglu = swiglu;
    t->swiglu_backward = swiglu_backward;
    t->rotate = rotate;
    t->adam = adam;
}
