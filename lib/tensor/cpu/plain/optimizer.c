/* What the optimizer does to gradients and parameters, in plain C. */
#include "tensor/cpu/plain/plain.h"

#include <math.h>

#include "base/pool.h"
#include "tensor/cpu/scratch.h"

typedef struct Squares {
    const real *x;
    double *sums; /* one per part */
    size_t n;
} Squares;

static void squares_part(void *context, size_t part)
{
    const Squares *s = context;
    size_t at = part * ELEMENTS_PER_PART, end = size_min(s->n, at + ELEMENTS_PER_PART);
    double sum = 0;
    for (size_t i = at; i < end; i++)
        sum += (double)s->x[i] * (double)s->x[i];
    s->sums[part] = sum;
}

static double sum_squares(const real *x, size_t n)
{
    size_t parts = (n + ELEMENTS_PER_PART - 1) / ELEMENTS_PER_PART;
    Squares s = {x, scratch(SCRATCH_ROWS, parts * sizeof *s.sums), n};
    pool_run(squares_part, &s, parts);
    double total = 0;
    for (size_t i = 0; i < parts; i++)
        total += s.sums[i];
    return total;
}

static void clamp_run(real *y, const real *a, const real *b, double limit, size_t n)
{
    (void)a, (void)b;
    for (size_t i = 0; i < n; i++)
        y[i] = (double)y[i] > limit ? (real)limit : (double)y[i] < -limit ? (real)-limit : y[i];
}

static void clamp(real *x, double limit, size_t n)
{
    elements_run(clamp_run, x, NULL, NULL, limit, n);
}

static void scale_run(real *y, const real *a, const real *b, double factor, size_t n)
{
    (void)a, (void)b;
    for (size_t i = 0; i < n; i++)
        y[i] *= (real)factor;
}

static void scale(real *x, double factor, size_t n)
{
    elements_run(scale_run, x, NULL, NULL, factor, n);
}

typedef struct Adam {
    real *p, *m, *v;
    const real *grad;
    const AdamStep *step;
    double bias1, bias2; /* 1 - beta^step */
    size_t n;
} Adam;

static void adam_part(void *context, size_t part)
{
    const Adam *a = context;
    const AdamStep *s = a->step;
    size_t at = part * ELEMENTS_PER_PART, end = size_min(a->n, at + ELEMENTS_PER_PART);
    for (size_t i = at; i < end; i++) {
        double g = (double)a->grad[i];
        double m = s->beta1 * (double)a->m[i] + (1 - s->beta1) * g;
        double v = s->beta2 * (double)a->v[i] + (1 - s->beta2) * g * g;
        double p = (double)a->p[i] * (1 - s->learning_rate * s->weight_decay);
        a->m[i] = (real)m;
        a->v[i] = (real)v;
        a->p[i] = (real)(p - s->learning_rate * (m / a->bias1) / (sqrt(v / a->bias2) + s->eps));
    }
}

static void adam(real *p, const real *grad, real *m, real *v, const AdamStep *step, size_t n)
{
    Adam a = {p, m, v, grad, step, 1 - pow(step->beta1, (double)step->step), 1 - pow(step->beta2, (double)step->step), n};
    pool_run(adam_part, &a, (n + ELEMENTS_PER_PART - 1) / ELEMENTS_PER_PART);
}

void plain_optimizer_fill(Kernels *k)
{
    k->sum_squares = sum_squares;
    k->clamp = clamp;
    k->scale = scale;
    k->adam = adam;
}
