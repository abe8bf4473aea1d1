/* Sums over rows, by parts of rows and then over the parts, always in the same order and in double. */
#include "tensor/cuda/device.cuh"

enum { PART_ROWS = 128 };

static __global__ void parts_add_kernel(real *out, const double *sums, size_t parts, size_t cols)
{
    size_t j = thread_index();
    if (j >= cols)
        return;
    double total = 0;
    for (size_t i = 0; i < parts; i++)
        total += sums[i * cols + j];
    out[j] += (real)total;
}

void cuda_parts_add(real *out, const double *sums, size_t parts, size_t cols)
{
    parts_add_kernel<<<blocks_for(cols), THREADS>>>(out, sums, parts, cols);
    CHECK(cudaGetLastError());
}

/* A thread per column and part. */
static __global__ void column_parts_kernel(double *sums, const real *dy, size_t m, size_t n)
{
    size_t j = thread_index(), first = (size_t)blockIdx.y * PART_ROWS, end = first + PART_ROWS < m ? first + PART_ROWS : m;
    if (j >= n)
        return;
    double sum = 0;
    for (size_t i = first; i < end; i++)
        sum += (double)dy[i * n + j];
    sums[blockIdx.y * n + j] = sum;
}

static void column_sums(real *db, const real *dy, size_t m, size_t n)
{
    if (m == 0 || n == 0)
        return;
    size_t parts = (m + PART_ROWS - 1) / PART_ROWS;
    double *sums = (double *)cuda_scratch(parts * n * sizeof *sums);
    column_parts_kernel<<<dim3(blocks_for(n), (unsigned)parts), THREADS>>>(sums, dy, m, n);
    CHECK(cudaGetLastError());
    cuda_parts_add(db, sums, parts, n);
    cuda_scratch_free(sums);
}

void cuda_sums_fill(Kernels *k)
{
    k->column_sums = column_sums;
}
