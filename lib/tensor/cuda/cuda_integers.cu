/* Sums of gradients as integers; the formulas of cpu/plain/integers.c. */
#include "tensor/cuda/device.cuh"

/* Several threads may find a number that does not fit: any of them is told. */
static __global__ void add_kernel(int64_t *sums, const real *x, size_t n, int64_t most, double *worst)
{
    size_t i = thread_index();
    if (i >= n)
        return;
    const double value = (double)x[i];
    if (!(fabs(value) < INTEGERS_RANGE)) {
        *worst = value;
        return;
    }
    /* |value 2^50| < 2^63, and |sum| <= most: their sum, in two halves of which neither overflows. */
    const int64_t sum = sums[i], more = __double2ll_rn(value * INTEGERS_SCALE);
    if (more > 0 ? sum > most - more : sum < -most - more) {
        *worst = (double)sum / INTEGERS_SCALE + value;
        return;
    }
    sums[i] = sum + more;
}

static void integers_add(int64_t *sums, const real *x, size_t n, int64_t most, double *worst)
{
    if (n == 0)
        return;
    add_kernel<<<blocks_for(n), THREADS>>>(sums, x, n, most, worst);
    CHECK(cudaGetLastError());
}

static __global__ void get_kernel(real *x, const int64_t *sums, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        x[i] = (real)((double)sums[i] / INTEGERS_SCALE);
}

static void integers_get(real *x, const int64_t *sums, size_t n)
{
    if (n == 0)
        return;
    get_kernel<<<blocks_for(n), THREADS>>>(x, sums, n);
    CHECK(cudaGetLastError());
}

static bool idle(void)
{
    const cudaError_t status = cudaStreamQuery(0);
    if (status == cudaErrorNotReady)
        return false;
    CHECK(status);
    return true;
}

void cuda_integers_fill(Kernels *k)
{
    k->integers_add = integers_add;
    k->integers_get = integers_get;
    k->idle = idle;
}
