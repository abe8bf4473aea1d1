/* What the optimizer does to gradients and parameters; the formulas of cpu/plain_optimizer.c, in double. */
#include "tensor/cuda/device.cuh"

#include <stdlib.h>

enum { VALUES_PER_BLOCK = 16384 };

static __global__ void squares_kernel(double *sums, const real *x, size_t n)
{
    size_t first = (size_t)blockIdx.x * VALUES_PER_BLOCK, end = first + VALUES_PER_BLOCK < n ? first + VALUES_PER_BLOCK : n;
    double sum = 0;
    for (size_t i = first + threadIdx.x; i < end; i += THREADS)
        sum += (double)x[i] * (double)x[i];
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        sums[blockIdx.x] = sum;
}

static double sum_squares(const real *x, size_t n)
{
    if (n == 0)
        return 0;
    size_t parts = (n + VALUES_PER_BLOCK - 1) / VALUES_PER_BLOCK;
    double *sums = (double *)cuda_scratch(parts * sizeof *sums), *host = (double *)xmalloc(parts * sizeof *host), total = 0;
    squares_kernel<<<(unsigned)parts, THREADS>>>(sums, x, n);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(host, sums, parts * sizeof *host, cudaMemcpyDeviceToHost));
    for (size_t i = 0; i < parts; i++)
        total += host[i];
    free(host);
    cuda_scratch_free(sums);
    return total;
}

static __global__ void clamp_kernel(real *x, double limit, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        x[i] = (double)x[i] > limit ? (real)limit : (double)x[i] < -limit ? (real)-limit : x[i];
}

static void clamp(real *x, double limit, size_t n)
{
    if (n == 0)
        return;
    clamp_kernel<<<blocks_for(n), THREADS>>>(x, limit, n);
    CHECK(cudaGetLastError());
}

static __global__ void scale_kernel(real *x, real factor, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        x[i] *= factor;
}

static void scale(real *x, double factor, size_t n)
{
    if (n == 0)
        return;
    scale_kernel<<<blocks_for(n), THREADS>>>(x, (real)factor, n);
    CHECK(cudaGetLastError());
}

/* bias1, bias2: 1 - beta^step. */
static __global__ void adam_kernel(real *p, const real *grad, real *m, real *v, AdamStep s, double bias1, double bias2, size_t n)
{
    size_t i = thread_index();
    if (i >= n)
        return;
    double g = (double)grad[i];
    double new_m = s.beta1 * (double)m[i] + (1 - s.beta1) * g;
    double new_v = s.beta2 * (double)v[i] + (1 - s.beta2) * g * g;
    double decayed = (double)p[i] * (1 - s.learning_rate * s.weight_decay);
    m[i] = (real)new_m;
    v[i] = (real)new_v;
    p[i] = (real)(decayed - s.learning_rate * (new_m / bias1) / (sqrt(new_v / bias2) + s.eps));
}

static void adam(real *p, const real *grad, real *m, real *v, const AdamStep *step, size_t n)
{
    if (n == 0)
        return;
    adam_kernel<<<blocks_for(n), THREADS>>>(p, grad, m, v, *step, 1 - pow(step->beta1, (double)step->step),
                                            1 - pow(step->beta2, (double)step->step), n);
    CHECK(cudaGetLastError());
}

void cuda_optimizer_fill(Kernels *k)
{
    k->sum_squares = sum_squares;
    k->clamp = clamp;
    k->scale = scale;
    k->adam = adam;
}
