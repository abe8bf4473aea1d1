/* Elementwise kernels: a thread per value; the formulas of cpu/plain_elementwise.c. */
#include "tensor/cuda/device.cuh"

static const float sqrt_half = 0.70710678118654752440f, inv_sqrt_2pi = 0.39894228040143267794f, quick_factor = 1.702f;
static const float tanh_factor = 1.5957691216057307117f, tanh_cubic = 0.044715f; /* 2 sqrt(2 / pi) */

static __global__ void gelu_kernel(real *y, const real *x, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        y[i] = x[i] * 0.5f * (1 + erff(x[i] * sqrt_half));
}

static void gelu(real *y, const real *x, size_t n)
{
    if (n == 0)
        return;
    gelu_kernel<<<blocks_for(n), THREADS>>>(y, x, n);
    CHECK(cudaGetLastError());
}

/* In the forward pass this was y = x Phi(x), so dx += dy (Phi(x) + x phi(x)). */
static __global__ void gelu_backward_kernel(real *dx, const real *dy, const real *x, size_t n)
{
    size_t i = thread_index();
    if (i >= n)
        return;
    real cdf = 0.5f * (1 + erff(x[i] * sqrt_half));
    real density = inv_sqrt_2pi * expf(x[i] * x[i] * -0.5f);
    dx[i] += dy[i] * (cdf + (density > 0 ? x[i] * density : 0)); /* not inf * 0 */
}

static void gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    if (n == 0)
        return;
    gelu_backward_kernel<<<blocks_for(n), THREADS>>>(dx, dy, x, n);
    CHECK(cudaGetLastError());
}

/* The logistic function of z by e = exp(-|z|), and its slope e / (1 + e)^2. */
static __device__ real logistic(real z, real *slope)
{
    real e = expf(-fabsf(z)), whole = 1 + e;
    *slope = e / (whole * whole);
    return (z < 0 ? e : 1) / whole;
}

static __global__ void quick_gelu_kernel(real *y, const real *x, size_t n)
{
    size_t i = thread_index();
    real slope;
    if (i < n)
        y[i] = x[i] * logistic(quick_factor * x[i], &slope);
}

static void quick_gelu(real *y, const real *x, size_t n)
{
    if (n == 0)
        return;
    quick_gelu_kernel<<<blocks_for(n), THREADS>>>(y, x, n);
    CHECK(cudaGetLastError());
}

/* In the forward pass this was y = x S(1.702 x), so dx += dy (S + 1.702 x S'). */
static __global__ void quick_gelu_backward_kernel(real *dx, const real *dy, const real *x, size_t n)
{
    size_t i = thread_index();
    if (i >= n)
        return;
    real slope, s = logistic(quick_factor * x[i], &slope);
    dx[i] += dy[i] * (s + (slope > 0 ? quick_factor * x[i] * slope : 0)); /* not inf * 0 */
}

static void quick_gelu_backward(real *dx, const real *dy, const real *x, size_t n)
{
    if (n == 0)
        return;
    quick_gelu_backward_kernel<<<blocks_for(n), THREADS>>>(dx, dy, x, n);
    CHECK(cudaGetLastError());
}

/* (1 + tanh u) / 2 is the logistic function of 2 u. */
static __device__ real tanh_argument(real x)
{
    return tanh_factor * x * (1 + tanh_cubic * x * x);
}

static __global__ void gelu_tanh_kernel(real *y, const real *x, size_t n)
{
    size_t i = thread_index();
    real slope;
    if (i < n)
        y[i] = x[i] * logistic(tanh_argument(x[i]), &slope);
}

static void gelu_tanh(real *y, const real *x, size_t n)
{
    if (n == 0)
        return;
    gelu_tanh_kernel<<<blocks_for(n), THREADS>>>(y, x, n);
    CHECK(cudaGetLastError());
}

/* In the forward pass this was y = x S(z), z = k (x + c x^3), so dx += dy (S + x S' k (1 + 3 c x^2)). */
static __global__ void gelu_tanh_backward_kernel(real *dx, const real *dy, const real *x, size_t n)
{
    size_t i = thread_index();
    if (i >= n)
        return;
    real slope, s = logistic(tanh_argument(x[i]), &slope);
    real bend = tanh_factor * x[i] * (1 + 3 * tanh_cubic * x[i] * x[i]);
    dx[i] += dy[i] * (s + (slope > 0 ? bend * slope : 0)); /* not inf * 0 */
}

static void gelu_tanh_backward(real *dx, const real *dy, const real *x, size_t n)
{
    if (n == 0)
        return;
    gelu_tanh_backward_kernel<<<blocks_for(n), THREADS>>>(dx, dy, x, n);
    CHECK(cudaGetLastError());
}

static __global__ void relu_kernel(real *y, const real *x, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        y[i] = x[i] <= 0 ? 0 : x[i]; /* NaN stays NaN */
}

static void relu(real *y, const real *x, size_t n)
{
    if (n == 0)
        return;
    relu_kernel<<<blocks_for(n), THREADS>>>(y, x, n);
    CHECK(cudaGetLastError());
}

static __global__ void relu_backward_kernel(real *dy, const real *y, size_t n)
{
    size_t i = thread_index();
    if (i < n && y[i] <= 0)
        dy[i] = 0;
}

static void relu_backward(real *dy, const real *y, size_t n)
{
    if (n == 0)
        return;
    relu_backward_kernel<<<blocks_for(n), THREADS>>>(dy, y, n);
    CHECK(cudaGetLastError());
}

static __global__ void add_kernel(real *y, const real *a, const real *b, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        y[i] = a[i] + b[i];
}

static void add(real *y, const real *a, const real *b, size_t n)
{
    if (n == 0)
        return;
    add_kernel<<<blocks_for(n), THREADS>>>(y, a, b, n);
    CHECK(cudaGetLastError());
}

static __global__ void axpy_kernel(real *y, real alpha, const real *x, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        y[i] += alpha * x[i];
}

static void axpy(real *y, double alpha, const real *x, size_t n)
{
    if (n == 0)
        return;
    axpy_kernel<<<blocks_for(n), THREADS>>>(y, (real)alpha, x, n);
    CHECK(cudaGetLastError());
}

static __global__ void axpy_rows_kernel(real *y, const real *alpha, const real *x, size_t cols)
{
    size_t i = blockIdx.x;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        y[i * cols + j] += alpha[i] * x[i * cols + j];
}

static void axpy_rows(real *y, const real *alpha, const real *x, size_t rows, size_t cols)
{
    if (rows == 0 || cols == 0)
        return;
    axpy_rows_kernel<<<(unsigned)rows, THREADS>>>(y, alpha, x, cols);
    CHECK(cudaGetLastError());
}

void cuda_elementwise_fill(Kernels *k)
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
