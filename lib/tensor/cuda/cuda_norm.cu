/* Normalisation by rows: layer norm, RMS norm and unit length. A block per row, sums in double; the formulas of cpu/plain_norm.c. */
#include "tensor/cuda/device.cuh"

enum { PART_ROWS = 128 }; /* rows whose gradients of parameters a thread sums */

static __global__ void layernorm_kernel(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta,
                                        double eps, size_t cols)
{
    size_t i = blockIdx.x;
    x += i * cols;
    y += i * cols;
    double sum = 0, squares = 0;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        sum += (double)x[j];
    double middle = block_sum(sum) / (double)cols;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        squares += ((double)x[j] - middle) * ((double)x[j] - middle);
    double variance = block_sum(squares) / (double)cols;
    real m = (real)middle, r = (real)(1 / sqrt(variance + eps));
    if (threadIdx.x == 0) {
        mean[i] = m;
        rstd[i] = r;
    }
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        y[j] = (x[j] - m) * r * gamma[j] + beta[j];
}

static void layernorm(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, double eps,
                      size_t rows, size_t cols)
{
    if (rows == 0)
        return;
    layernorm_kernel<<<(unsigned)rows, THREADS>>>(y, mean, rstd, x, gamma, beta, eps, cols);
    CHECK(cudaGetLastError());
}

/*
 * In the forward pass this was y = xhat * gamma + beta, xhat = (x - mean) * rstd; so with g = dy * gamma
 * dx += rstd * (g - mean(g) - xhat * mean(g * xhat)).
 */
static __global__ void layernorm_dx_kernel(real *dx, const real *dy, const real *x, const real *mean, const real *rstd,
                                           const real *gamma, size_t cols)
{
    size_t i = blockIdx.x;
    x += i * cols;
    dy += i * cols;
    dx += i * cols;
    real m = mean[i], r = rstd[i];
    double sum = 0, sum_xhat = 0;
    for (size_t j = threadIdx.x; j < cols; j += THREADS) {
        double g = (double)dy[j] * (double)gamma[j];
        sum += g;
        sum_xhat += g * (double)((x[j] - m) * r);
    }
    real a = (real)(block_sum(sum) / (double)cols), b = (real)(block_sum(sum_xhat) / (double)cols);
    for (size_t j = threadIdx.x; j < cols; j += THREADS) /* g is rounded, as a is: what cancels cancels wholly */
        dx[j] += r * (__fmul_rn(dy[j], gamma[j]) - a - (x[j] - m) * r * b);
}

/*
 * dgamma += sum over rows of dy * xhat, dbeta += sum of dy: first by parts of PART_ROWS rows, a thread per column and part, then
 * the parts in their order.
 */
static __global__ void layernorm_parts_kernel(double *gammas, double *betas, const real *dy, const real *x, const real *mean,
                                              const real *rstd, size_t rows, size_t cols)
{
    size_t j = thread_index(), first = (size_t)blockIdx.y * PART_ROWS, end = first + PART_ROWS < rows ? first + PART_ROWS : rows;
    if (j >= cols)
        return;
    double gamma = 0, beta = 0;
    for (size_t i = first; i < end; i++) {
        double d = (double)dy[i * cols + j];
        gamma += d * (double)((x[i * cols + j] - mean[i]) * rstd[i]);
        beta += d;
    }
    gammas[blockIdx.y * cols + j] = gamma;
    betas[blockIdx.y * cols + j] = beta;
}

static void layernorm_parameters(real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean, const real *rstd,
                                 size_t rows, size_t cols)
{
    size_t parts = (rows + PART_ROWS - 1) / PART_ROWS;
    double *gammas = (double *)cuda_scratch(2 * parts * cols * sizeof *gammas), *betas = gammas + parts * cols;
    layernorm_parts_kernel<<<dim3(blocks_for(cols), (unsigned)parts), THREADS>>>(gammas, betas, dy, x, mean, rstd, rows, cols);
    CHECK(cudaGetLastError());
    if (dgamma)
        cuda_parts_add(dgamma, gammas, parts, cols);
    if (dbeta)
        cuda_parts_add(dbeta, betas, parts, cols);
    cuda_scratch_free(gammas);
}

static void layernorm_backward(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                               const real *rstd, const real *gamma, size_t rows, size_t cols)
{
    if (rows == 0 || cols == 0)
        return;
    if (dx) {
        layernorm_dx_kernel<<<(unsigned)rows, THREADS>>>(dx, dy, x, mean, rstd, gamma, cols);
        CHECK(cudaGetLastError());
    }
    if (dgamma || dbeta)
        layernorm_parameters(dgamma, dbeta, dy, x, mean, rstd, rows, cols);
}

static __global__ void rmsnorm_kernel(real *y, real *rstd, const real *x, const real *gamma, double eps, size_t cols)
{
    size_t i = blockIdx.x;
    x += i * cols;
    double squares = 0;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        squares += (double)x[j] * (double)x[j];
    real r = (real)(1 / sqrt(block_sum(squares) / (double)cols + eps));
    if (threadIdx.x == 0)
        rstd[i] = r;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        y[i * cols + j] = x[j] * r * gamma[j];
}

static void rmsnorm(real *y, real *rstd, const real *x, const real *gamma, double eps, size_t rows, size_t cols)
{
    if (rows == 0)
        return;
    rmsnorm_kernel<<<(unsigned)rows, THREADS>>>(y, rstd, x, gamma, eps, cols);
    CHECK(cudaGetLastError());
}

/* In the forward pass this was y = xhat * gamma, xhat = x * rstd; so with g = dy * gamma dx += rstd (g - xhat mean(g xhat)). */
static __global__ void rmsnorm_dx_kernel(real *dx, const real *dy, const real *x, const real *rstd, const real *gamma, size_t cols)
{
    size_t i = blockIdx.x;
    x += i * cols;
    dy += i * cols;
    real r = rstd[i];
    double sum = 0;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        sum += (double)dy[j] * (double)gamma[j] * (double)(x[j] * r);
    real mean = (real)(block_sum(sum) / (double)cols);
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        dx[i * cols + j] += r * (__fmul_rn(dy[j], gamma[j]) - __fmul_rn(__fmul_rn(x[j], r), mean));
}

/* dgamma += sum over rows of dy * xhat, by parts as layer norm's. */
static __global__ void rmsnorm_parts_kernel(double *gammas, const real *dy, const real *x, const real *rstd, size_t rows, size_t cols)
{
    size_t j = thread_index(), first = (size_t)blockIdx.y * PART_ROWS, end = first + PART_ROWS < rows ? first + PART_ROWS : rows;
    if (j >= cols)
        return;
    double gamma = 0;
    for (size_t i = first; i < end; i++)
        gamma += (double)dy[i * cols + j] * (double)(x[i * cols + j] * rstd[i]);
    gammas[blockIdx.y * cols + j] = gamma;
}

static void rmsnorm_backward(real *dx, real *dgamma, const real *dy, const real *x, const real *rstd, const real *gamma,
                             size_t rows, size_t cols)
{
    if (rows == 0 || cols == 0)
        return;
    if (dx) {
        rmsnorm_dx_kernel<<<(unsigned)rows, THREADS>>>(dx, dy, x, rstd, gamma, cols);
        CHECK(cudaGetLastError());
    }
    if (dgamma) {
        size_t parts = (rows + PART_ROWS - 1) / PART_ROWS;
        double *gammas = (double *)cuda_scratch(parts * cols * sizeof *gammas);
        rmsnorm_parts_kernel<<<dim3(blocks_for(cols), (unsigned)parts), THREADS>>>(gammas, dy, x, rstd, rows, cols);
        CHECK(cudaGetLastError());
        cuda_parts_add(dgamma, gammas, parts, cols);
        cuda_scratch_free(gammas);
    }
}

static __global__ void normalise_kernel(real *y, real *norm, const real *x, size_t cols)
{
    size_t i = blockIdx.x;
    x += i * cols;
    double sum = 0;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        sum += (double)x[j] * (double)x[j];
    real length = (real)sqrt(block_sum(sum));
    if (threadIdx.x == 0)
        norm[i] = length;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        y[i * cols + j] = x[j] / length;
}

static void normalise(real *y, real *norm, const real *x, size_t rows, size_t cols)
{
    if (rows == 0)
        return;
    normalise_kernel<<<(unsigned)rows, THREADS>>>(y, norm, x, cols);
    CHECK(cudaGetLastError());
}

/* In the forward pass this was y = x / |x|, so dx += (dy - y (y . dy)) / |x|. */
static __global__ void normalise_backward_kernel(real *dx, const real *dy, const real *y, const real *norm, size_t cols)
{
    size_t i = blockIdx.x;
    y += i * cols;
    dy += i * cols;
    double sum = 0;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        sum += (double)y[j] * (double)dy[j];
    real dot = (real)block_sum(sum);
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        dx[i * cols + j] += (dy[j] - y[j] * dot) / norm[i];
}

static void normalise_backward(real *dx, const real *dy, const real *y, const real *norm, size_t rows, size_t cols)
{
    if (rows == 0)
        return;
    normalise_backward_kernel<<<(unsigned)rows, THREADS>>>(dx, dy, y, norm, cols);
    CHECK(cudaGetLastError());
}

void cuda_norm_fill(Kernels *k)
{
    k->layernorm = layernorm;
    k->layernorm_backward = layernorm_backward;
    k->rmsnorm = rmsnorm;
    k->rmsnorm_backward = rmsnorm_backward;
    k->normalise = normalise;
    k->normalise_backward = normalise_backward;
}
