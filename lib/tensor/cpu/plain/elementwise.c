/* Elementwise kernels in plain C. */
#include "tensor/cpu/plain/plain.h"

#include <tgmath.h>

static const double sqrt_half = 0.70710678118654752440, inv_sqrt_2pi = 0.39894228040143267794, quick_factor = 1.702;
static const double tanh_factor = 1.5957691216057307117, tanh_cubic = 0.044715; /* 2 sqrt(2 / pi) */

static void gelu_run(real *y, const real *x, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * (real)0.5 * (1 + erf(x[i] * (real)sqrt_half));
}

static void gelu(real *y, const real *x, size_t n)
{
    elements_run(gelu_run, y, x, NULL, 0, n);
}

/* In the forward pass this was y = x Phi(x), so dx += dy (Phi(x) + x phi(x)). */
static void gelu_backward_run(real *dx, const real *dy, const real *x, double c, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n; i++) {
        real cdf = (real)0.5 * (1 + erf(x[i] * (real)sqrt_half));
        real density = (real)inv_sqrt_2pi * exp(x[i] * x[i] * (real)-0.5);
        dx[i] += dy[i] * (cdf + (density > 0 ? x[i] * density : 0)); /* not inf * 0 */
    }
}

static void gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    elements_run(gelu_backward_run, dx, dy, x, 0, n);
}

/* The logistic function of z by e = exp(-|z|), which never overflows, and its slope e / (1 + e)^2. */
static real logistic(real z, real *slope)
{
    real e = exp(-fabs(z)), whole = 1 + e;
    *slope = e / (whole * whole);
    return (z < 0 ? e : 1) / whole;
}

static void quick_gelu_run(real *y, const real *x, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    real slope;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * logistic((real)quick_factor * x[i], &slope);
}

static void quick_gelu(real *y, const real *x, size_t n)
{
    elements_run(quick_gelu_run, y, x, NULL, 0, n);
}

/* In the forward pass this was y = x S(1.702 x), so dx += dy (S + 1.702 x S'). */
static void quick_gelu_backward_run(real *dx, const real *dy, const real *x, double c, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n; i++) {
        real slope, s = logistic((real)quick_factor * x[i], &slope);
        dx[i] += dy[i] * (s + (slope > 0 ? (real)quick_factor * x[i] * slope : 0)); /* not inf * 0 */
    }
}

static void quick_gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    elements_run(quick_gelu_backward_run, dx, dy, x, 0, n);
}

/* (1 + tanh u) / 2 is the logistic function of 2 u. */
static real tanh_argument(real x)
{
    return (real)tanh_factor * x * (1 + (real)tanh_cubic * x * x);
}

static void gelu_tanh_run(real *y, const real *x, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    real slope;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] * logistic(tanh_argument(x[i]), &slope);
}

static void gelu_tanh(real *y, const real *x, size_t n)
{
    elements_run(gelu_tanh_run, y, x, NULL, 0, n);
}

/* In the forward pass this was y = x S(z), z = k (x + c x^3), so dx += dy (S + x S' k (1 + 3 c x^2)). */
static void gelu_tanh_backward_run(real *dx, const real *dy, const real *x, double c, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n; i++) {
        real slope, s = logistic(tanh_argument(x[i]), &slope);
        real bend = (real)tanh_factor * x[i] * (1 + (real)(3 * tanh_cubic) * x[i] * x[i]);
        dx[i] += dy[i] * (s + (slope > 0 ? bend * slope : 0)); /* not inf * 0 */
    }
}

static void gelu_tanh_backward(real *dx, const real *dy, const real *x, size_t n)
{
    elements_run(gelu_tanh_backward_run, dx, dy, x, 0, n);
}

static void relu_run(real *y, const real *x, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    for (size_t i = 0; i < n; i++)
        y[i] = x[i] <= 0 ? 0 : x[i]; /* NaN stays NaN */
}

static void relu(real *y, const real *x, size_t n)
{
    elements_run(relu_run, y, x, NULL, 0, n);
}

/* In place through one pointer, every element loaded and stored: else no compiler makes vectors of it, and the branch is random.
 */
static void relu_backward_run(real *dy, const real *y, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    for (size_t i = 0; i < n; i++) {
        real d = dy[i];
        dy[i] = y[i] <= 0 ? 0 : d;
    }
}

static void relu_backward(real *dy, const real *y, size_t n)
{
    elements_run(relu_backward_run, dy, y, NULL, 0, n);
}

static void add_run(real *y, const real *a, const real *b, double c, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n; i++)
        y[i] = a[i] + b[i];
}

static void add(real *y, const real *a, const real *b, size_t n)
{
    elements_run(add_run, y, a, b, 0, n);
}

static void axpy_run(real *y, const real *x, const real *b, double alpha, size_t n)
{
    (void)b;
    for (size_t i = 0; i < n; i++)
        y[i] += (real)alpha * x[i];
}

static void axpy(real *y, double alpha, const real *x, size_t n)
{
    elements_run(axpy_run, y, x, NULL, alpha, n);
}

typedef struct AxpyRows {
    real *y;
    const real *alpha, *x;
    size_t cols;
} AxpyRows;

static void axpy_row(const void *context, size_t i)
{
    const AxpyRows *w = context;
    axpy_run(w->y + i * w->cols, w->x + i * w->cols, NULL, (double)w->alpha[i], w->cols);
}

static void axpy_rows(real *y, const real *alpha, const real *x, size_t rows, size_t cols)
{
    rows_run(axpy_row, &(AxpyRows){y, alpha, x, cols}, rows, cols);
}

void plain_elementwise_fill(Kernels *k)
{
    k->gelu = gelu;
    k->gelu_backward = gelu_backward;
    k->quick_gelu = quick_gelu;
    k->quick_gelu_backward = quick_gelu_backward;
    k->gelu_tanh = gelu_tanh;
    k->gelu_tanh_backward = gelu_tanh_backward;
    k->relu = relu;
    k->relu_backward = relu_backward;
    k->add = add;
    k->axpy = axpy;
    k->axpy_rows = axpy_rows;
}
