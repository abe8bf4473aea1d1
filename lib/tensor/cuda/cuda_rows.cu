/*
 * Kernels that move whole rows: embed, gather, scatter, means of rows. Where rows may be added to the same place, a thread owns a
 * column and adds them one after the other.
 */
#include "tensor/cuda/device.cuh"

template <typename T> static __global__ void embed_kernel(real *y, const T *table, const int32_t *ids, size_t cols)
{
    size_t i = blockIdx.x;
    const T *row = table + (size_t)ids[i] * cols;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        y[i * cols + j] = value_of(row[j]);
}

static void embed(real *y, DType type, const void *table, const int32_t *host_ids, size_t n, size_t cols)
{
    if (n == 0)
        return;
    const int32_t *ids = (const int32_t *)cuda_scratch_copy(host_ids, n * sizeof *ids);
    switch (type) {
    case DTYPE_F32:
        embed_kernel<<<(unsigned)n, THREADS>>>(y, (const float *)table, ids, cols);
        break;
    case DTYPE_F64:
        embed_kernel<<<(unsigned)n, THREADS>>>(y, (const double *)table, ids, cols);
        break;
    case DTYPE_F16:
        embed_kernel<<<(unsigned)n, THREADS>>>(y, (const __half *)table, ids, cols);
        break;
    case DTYPE_BF16:
        embed_kernel<<<(unsigned)n, THREADS>>>(y, (const __nv_bfloat16 *)table, ids, cols);
        break;
    }
    CHECK(cudaGetLastError());
    cuda_scratch_free(ids);
}

static __global__ void embed_backward_kernel(real *dtable, const real *dy, const int32_t *ids, size_t n, size_t cols)
{
    size_t j = thread_index();
    if (j >= cols)
        return;
    for (size_t i = 0; i < n; i++)
        dtable[(size_t)ids[i] * cols + j] += dy[i * cols + j];
}

static void embed_backward(real *dtable, const real *dy, const int32_t *host_ids, size_t n, size_t cols)
{
    if (n == 0 || cols == 0)
        return;
    const int32_t *ids = (const int32_t *)cuda_scratch_copy(host_ids, n * sizeof *ids);
    embed_backward_kernel<<<blocks_for(cols), THREADS>>>(dtable, dy, ids, n, cols);
    CHECK(cudaGetLastError());
    cuda_scratch_free(ids);
}

/* The list of sources has no length of its own: it reaches as far as the references do. */
static size_t sources_used(const RowRef *refs, size_t n)
{
    size_t used = 0;
    for (size_t i = 0; i < n; i++)
        used = refs[i].source >= used ? (size_t)refs[i].source + 1 : used;
    return used;
}

static __global__ void gather_kernel(real *y, const real *const *sources, const RowRef *refs, size_t cols)
{
    size_t i = blockIdx.x;
    const real *row = sources[refs[i].source] + refs[i].row * cols;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        y[i * cols + j] = row[j];
}

static void gather(real *y, const real *const *sources, const RowRef *refs, size_t n, size_t cols)
{
    if (n == 0)
        return;
    const RowRef *r = (const RowRef *)cuda_scratch_copy(refs, n * sizeof *refs);
    const real *const *s = (const real *const *)cuda_scratch_copy(sources, sources_used(refs, n) * sizeof *sources);
    gather_kernel<<<(unsigned)n, THREADS>>>(y, s, r, cols);
    CHECK(cudaGetLastError());
    cuda_scratch_free(s);
    cuda_scratch_free(r);
}

static __global__ void gather_backward_kernel(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols)
{
    size_t j = thread_index();
    if (j >= cols)
        return;
    for (size_t i = 0; i < n; i++)
        if (dsources[refs[i].source])
            dsources[refs[i].source][refs[i].row * cols + j] += dy[i * cols + j];
}

static void gather_backward(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols)
{
    if (n == 0 || cols == 0)
        return;
    const RowRef *r = (const RowRef *)cuda_scratch_copy(refs, n * sizeof *refs);
    real *const *s = (real *const *)cuda_scratch_copy(dsources, sources_used(refs, n) * sizeof *dsources);
    gather_backward_kernel<<<blocks_for(cols), THREADS>>>(s, dy, r, n, cols);
    CHECK(cudaGetLastError());
    cuda_scratch_free(s);
    cuda_scratch_free(r);
}

/* A thread per column, so that of two rows for one place the later stays, as in the plain kernel. */
static __global__ void scatter_kernel(real *dst, const real *src, const size_t *rows, size_t n, size_t cols)
{
    size_t j = thread_index();
    if (j >= cols)
        return;
    for (size_t i = 0; i < n; i++)
        dst[rows[i] * cols + j] = src[i * cols + j];
}

static void scatter(real *dst, const real *src, const size_t *rows, size_t n, size_t cols)
{
    if (n == 0 || cols == 0)
        return;
    const size_t *r = (const size_t *)cuda_scratch_copy(rows, n * sizeof *rows);
    scatter_kernel<<<blocks_for(cols), THREADS>>>(dst, src, r, n, cols);
    CHECK(cudaGetLastError());
    cuda_scratch_free(r);
}

static __global__ void mean_rows_kernel(real *y, const real *x, const size_t *first, const size_t *count, size_t cols)
{
    size_t i = blockIdx.x;
    for (size_t j = threadIdx.x; j < cols; j += THREADS) {
        double sum = 0;
        for (size_t r = first[i]; r < first[i] + count[i]; r++)
            sum += (double)x[r * cols + j];
        y[i * cols + j] = (real)(sum / (double)count[i]);
    }
}

static void mean_rows(real *y, const real *x, const size_t *first, const size_t *count, size_t n, size_t cols)
{
    if (n == 0)
        return;
    const size_t *f = (const size_t *)cuda_scratch_copy(first, n * sizeof *first);
    const size_t *c = (const size_t *)cuda_scratch_copy(count, n * sizeof *count);
    mean_rows_kernel<<<(unsigned)n, THREADS>>>(y, x, f, c, cols);
    CHECK(cudaGetLastError());
    cuda_scratch_free(c);
    cuda_scratch_free(f);
}

/* Ranges may overlap: a thread per column. */
static __global__ void mean_rows_backward_kernel(real *dx, const real *dy, const size_t *first, const size_t *count, size_t n,
                                                 size_t cols)
{
    size_t j = thread_index();
    if (j >= cols)
        return;
    for (size_t i = 0; i < n; i++)
        for (size_t r = first[i]; r < first[i] + count[i]; r++)
            dx[r * cols + j] += dy[i * cols + j] / (real)count[i];
}

static void mean_rows_backward(real *dx, const real *dy, const size_t *first, const size_t *count, size_t n, size_t cols)
{
    if (n == 0 || cols == 0)
        return;
    const size_t *f = (const size_t *)cuda_scratch_copy(first, n * sizeof *first);
    const size_t *c = (const size_t *)cuda_scratch_copy(count, n * sizeof *count);
    mean_rows_backward_kernel<<<blocks_for(cols), THREADS>>>(dx, dy, f, c, n, cols);
    CHECK(cudaGetLastError());
    cuda_scratch_free(c);
    cuda_scratch_free(f);
}

void cuda_rows_fill(Kernels *k)
{
    k->embed = embed;
    k->embed_backward = embed_backward;
    k->gather = gather;
    k->gather_backward = gather_backward;
    k->scatter = scatter;
    k->mean_rows = mean_rows;
    k->mean_rows_backward = mean_rows_backward;
}
