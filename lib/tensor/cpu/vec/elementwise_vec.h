/* GELU and Adam on vectors: what the compiler does not vectorise by itself in plain_*.c. Included after vec_*.h. */
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
    t->adam = adam;
}
