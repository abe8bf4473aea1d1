/*
 * Kernels that move whole rows: embed, gather, scatter, means of rows. Rows that are added to the same place form a group, which a
 * block adds one after the other.
 */
#include "tensor/cuda/device.cuh"

#include <stdlib.h>

/* Row `index` of a source goes to place `to`. */
typedef struct Move {
    uint64_t to;
    uint32_t index;
} Move;

static int move_order(const void *a, const void *b)
{
    const Move *x = (const Move *)a, *y = (const Move *)b;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return x->index < y->index ? -1 : x->index > y->index;
}

/* Moves by place, on the device; group g is moves[starts[g]] .. moves[starts[g+1] - 1], all with one place. */
typedef struct Groups {
    const Move *moves;
    const uint32_t *starts;
    size_t n;
} Groups;

static Groups groups_of(Move *moves, size_t n)
{
    uint32_t *starts = (uint32_t *)xmalloc((n + 1) * sizeof *starts);
    size_t count = 0;
    qsort(moves, n, sizeof *moves, move_order);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || moves[i].to != moves[i - 1].to)
            starts[count++] = (uint32_t)i;
    starts[count] = (uint32_t)n;
    Groups g = {(const Move *)cuda_indices(moves, n * sizeof *moves),
                (const uint32_t *)cuda_indices(starts, (count + 1) * sizeof *starts), count};
    free(starts);
    return g;
}

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
    const int32_t *ids = (const int32_t *)cuda_indices(host_ids, n * sizeof *ids);
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
}

/* A block per group and columns: rows of one id are added in their order. */
static __global__ void embed_backward_kernel(real *dtable, const real *dy, Groups g, size_t cols)
{
    size_t j = (size_t)blockIdx.y * THREADS + threadIdx.x;
    if (j >= cols)
        return;
    real *to = dtable + g.moves[g.starts[blockIdx.x]].to * cols + j;
    real sum = *to;
    for (uint32_t i = g.starts[blockIdx.x]; i < g.starts[blockIdx.x + 1]; i++)
        sum += dy[(size_t)g.moves[i].index * cols + j];
    *to = sum;
}

static void embed_backward(real *dtable, const real *dy, const int32_t *ids, size_t n, size_t cols)
{
    if (n == 0 || cols == 0)
        return;
    Move *moves = (Move *)xcalloc(n, sizeof *moves);
    for (size_t i = 0; i < n; i++)
        moves[i] = Move{(uint64_t)ids[i], (uint32_t)i};
    Groups g = groups_of(moves, n);
    free(moves);
    embed_backward_kernel<<<dim3((unsigned)g.n, blocks_for(cols)), THREADS>>>(dtable, dy, g, cols);
    CHECK(cudaGetLastError());
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
    const RowRef *r = (const RowRef *)cuda_indices(refs, n * sizeof *refs);
    const real *const *s = (const real *const *)cuda_indices(sources, sources_used(refs, n) * sizeof *sources);
    gather_kernel<<<(unsigned)n, THREADS>>>(y, s, r, cols);
    CHECK(cudaGetLastError());
}

/* A move's place is the source in the upper half, its row in the lower. */
static __global__ void gather_backward_kernel(real *const *dsources, const real *dy, Groups g, size_t cols)
{
    size_t j = (size_t)blockIdx.y * THREADS + threadIdx.x;
    uint64_t place = g.moves[g.starts[blockIdx.x]].to;
    real *source = dsources[place >> 32];
    if (j >= cols || !source)
        return;
    real *to = source + (place & UINT32_MAX) * cols + j;
    real sum = *to;
    for (uint32_t i = g.starts[blockIdx.x]; i < g.starts[blockIdx.x + 1]; i++)
        sum += dy[(size_t)g.moves[i].index * cols + j];
    *to = sum;
}

static void gather_backward(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols)
{
    if (n == 0 || cols == 0)
        return;
    Move *moves = (Move *)xcalloc(n, sizeof *moves);
    for (size_t i = 0; i < n; i++)
        moves[i] = Move{(uint64_t)refs[i].source << 32 | refs[i].row, (uint32_t)i};
    Groups g = groups_of(moves, n);
    free(moves);
    real *const *s = (real *const *)cuda_indices(dsources, sources_used(refs, n) * sizeof *dsources);
    gather_backward_kernel<<<dim3((unsigned)g.n, blocks_for(cols)), THREADS>>>(s, dy, g, cols);
    CHECK(cudaGetLastError());
}

/* `to` rises: a block per row. */
static __global__ void scatter_kernel(real *dst, const real *src, const size_t *to, size_t cols)
{
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        dst[to[blockIdx.x] * cols + j] = src[(size_t)blockIdx.x * cols + j];
}

/* Else a thread per column, so that of two rows for one place the later stays, as in the plain kernel. */
static __global__ void scatter_in_order_kernel(real *dst, const real *src, const size_t *to, size_t n, size_t cols)
{
    size_t j = thread_index();
    if (j >= cols)
        return;
    for (size_t i = 0; i < n; i++)
        dst[to[i] * cols + j] = src[i * cols + j];
}

static void scatter(real *dst, const real *src, const size_t *rows, size_t n, size_t cols)
{
    if (n == 0 || cols == 0)
        return;
    bool rising = true;
    for (size_t i = 1; i < n; i++)
        rising = rising && rows[i] > rows[i - 1];
    const size_t *to = (const size_t *)cuda_indices(rows, n * sizeof *rows);
    if (rising)
        scatter_kernel<<<(unsigned)n, THREADS>>>(dst, src, to, cols);
    else
        scatter_in_order_kernel<<<blocks_for(cols), THREADS>>>(dst, src, to, n, cols);
    CHECK(cudaGetLastError());
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
    const size_t *f = (const size_t *)cuda_indices(first, n * sizeof *first);
    const size_t *c = (const size_t *)cuda_indices(count, n * sizeof *count);
    mean_rows_kernel<<<(unsigned)n, THREADS>>>(y, x, f, c, cols);
    CHECK(cudaGetLastError());
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
    const size_t *f = (const size_t *)cuda_indices(first, n * sizeof *first);
    const size_t *c = (const size_t *)cuda_indices(count, n * sizeof *count);
    mean_rows_backward_kernel<<<blocks_for(cols), THREADS>>>(dx, dy, f, c, n, cols);
    CHECK(cudaGetLastError());
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
