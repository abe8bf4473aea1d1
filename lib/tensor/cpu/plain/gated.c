/* What LLaMa's block has and OPT's has not, in plain C: SwiGLU and rotary positions. */
#include "tensor/cpu/plain/plain.h"

#include <tgmath.h>

static void swiglu_run(real *y, const real *gate, const real *up, double c, size_t n)
{
    (void)c;
    for (size_t i = 0; i < n; i++)
        y[i] = gate[i] / (1 + exp(-gate[i])) * up[i];
}

static void swiglu(real *y, const real *gate, const real *up, size_t n)
{
    elements_run(swiglu_run, y, gate, up, 0, n);
}

typedef struct SwigluWork {
    real *dgate, *dup;
    const real *dy, *gate, *up;
} SwigluWork;

/* In the forward pass this was y = silu(gate) up; with s = 1 / (1 + e^-gate), silu' = s (1 + gate (1 - s)). */
static void swiglu_backward_value(const void *context, size_t i)
{
    const SwigluWork *w = context;
    real g = w->gate[i], s = 1 / (1 + exp(-g));
    if (w->dgate)
        w->dgate[i] += w->dy[i] * w->up[i] * s * (1 + g * (1 - s));
    if (w->dup)
        w->dup[i] += w->dy[i] * g * s;
}

static void swiglu_backward(real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n)
{
    rows_run(swiglu_backward_value, &(SwigluWork){dgate, dup, dy, gate, up}, n, 1);
}

typedef struct RotateWork {
    real *x;
    const real *angles;
    real direction; /* 1, or -1 for the way back */
    size_t heads, dim;
} RotateWork;

static void rotate_row(const void *context, size_t i)
{
    const RotateWork *w = context;
    size_t half = w->dim / 2;
    const real *cosines = w->angles + i * w->dim, *sines = cosines + half;
    for (size_t h = 0; h < w->heads; h++) {
        real *a = w->x + (i * w->heads + h) * w->dim, *b = a + half;
        for (size_t j = 0; j < half; j++) {
            real first = a[j], second = b[j], sine = w->direction * sines[j];
            a[j] = first * cosines[j] - second * sine;
            b[j] = second * cosines[j] + first * sine;
        }
    }
}

static void rotate(real *x, const real *angles, bool back, size_t rows, size_t heads, size_t dim)
{
    rows_run(rotate_row, &(RotateWork){x, angles, back ? -1 : 1, heads, dim}, rows, heads * dim);
}

void plain_gated_fill(Kernels *k)
{
    k->swiglu = swiglu;
    k->swiglu_backward = swiglu_backward;
    k->rotate = rotate;
}
