/* SwiGLU and rotary positions: a thread per value, or per pair that turns; the formulas of cpu/plain/gated.c. */
#include "tensor/cuda/device.cuh"

static __global__ void swiglu_kernel(real *y, const real *gate, const real *up, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        y[i] = gate[i] / (1 + expf(-gate[i])) * up[i];
}

static void swiglu(real *y, const real *gate, const real *up, size_t n)
{
    if (n == 0)
        return;
    swiglu_kernel<<<blocks_for(n), THREADS>>>(y, gate, up, n);
    CHECK(cudaGetLastError());
}

/* In the forward pass this was y = silu(gate) up; with s = 1 / (1 + e^-gate), silu' = s (1 + gate (1 - s)). */
static __global__ void swiglu_backward_kernel(real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n)
{
    size_t i = thread_index();
    if (i >= n)
        return;
    real g = gate[i], s = 1 / (1 + expf(-g));
    if (dgate)
        dgate[i] += dy[i] * up[i] * s * (1 + g * (1 - s));
    if (dup)
        dup[i] += dy[i] * g * s;
}

static void swiglu_backward(real *dgate, real *dup, const real *dy, const real *gate, const real *up, size_t n)
{
    if (n == 0)
        return;
    swiglu_backward_kernel<<<blocks_for(n), THREADS>>>(dgate, dup, dy, gate, up, n);
    CHECK(cudaGetLastError());
}

static __global__ void rotate_kernel(real *x, const real *angles, real direction, size_t heads, size_t half, size_t n)
{
    size_t i = thread_index();
    if (i >= n)
        return;
    size_t j = i % half, head = i / half, row = head / heads;
    real *a = x + head * 2 * half + j, *b = a + half;
    real cosine = angles[row * 2 * half + j], sine = direction * angles[row * 2 * half + half + j], first = *a, second = *b;
    *a = first * cosine - second * sine;
    *b = second * cosine + first * sine;
}

static void rotate(real *x, const real *angles, bool back, size_t rows, size_t heads, size_t dim)
{
    size_t half = dim / 2, n = rows * heads * half;
    if (n == 0)
        return;
    rotate_kernel<<<blocks_for(n), THREADS>>>(x, angles, back ? -1.0f : 1.0f, heads, half, n);
    CHECK(cudaGetLastError());
}

void cuda_gated_fill(Kernels *k)
{
    k->swiglu = swiglu;
    k->swiglu_backward = swiglu_backward;
    k->rotate = rotate;
}
