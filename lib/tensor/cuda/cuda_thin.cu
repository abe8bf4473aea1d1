/*
 * Products with a side of at most THIN: a low-rank adapter's. All they do is read or write one large matrix, so that is what these
 * kernels are made for; the small one stays in registers or the nearest cache.
 */
#include "tensor/cuda/device.cuh"

enum { WARP = 32, WARPS = THREADS / WARP, ROWS = 4, ROWS_BELOW = 32 };

/* Where the small matrix has value (r, l), r of its thin side. */
typedef struct Thin {
    const real *w;
    size_t of_r, of_l; /* distance of neighbours */
    int n;             /* r < n <= THIN */
} Thin;

/* out[i, r] (+)= sum over l of in[i, l] w(r, l) (+ bias[r]): a warp for ROWS rows. */
static __global__ void narrowing_kernel(real *out, const real *in, Thin t, const real *bias, bool add, size_t rows, size_t wide)
{
    const size_t lane = threadIdx.x % WARP, i0 = ((size_t)blockIdx.x * WARPS + threadIdx.x / WARP) * ROWS;
    if (i0 >= rows) /* a whole warp */
        return;
    float sums[ROWS][THIN] = {};
    for (size_t l = lane; l < wide; l += WARP) {
        float x[ROWS];
#pragma unroll
        for (int i = 0; i < ROWS; i++)
            x[i] = in[(i0 + i < rows ? i0 + i : rows - 1) * wide + l];
#pragma unroll
        for (int r = 0; r < THIN; r++)
            if (r < t.n) {
                const float w = t.w[r * t.of_r + l * t.of_l];
#pragma unroll
                for (int i = 0; i < ROWS; i++)
                    sums[i][r] = fmaf(x[i], w, sums[i][r]);
            }
    }
#pragma unroll
    for (int i = 0; i < ROWS; i++)
#pragma unroll
        for (int r = 0; r < THIN; r++) {
            if (r >= t.n)
                break;
            for (int offset = WARP / 2; offset > 0; offset /= 2)
                sums[i][r] += __shfl_down_sync(0xffffffff, sums[i][r], offset);
            if (lane == 0 && i0 + i < rows) {
                real *y = out + (i0 + i) * t.n + r;
                *y = (add ? *y : 0) + (bias ? bias[r] : 0) + sums[i][r];
            }
        }
}

/* out[i, l] (+)= sum over r of in[i, r] w(r, l) (+ bias[l]): a thread for a column of ROWS_BELOW rows. */
static __global__ void widening_kernel(real *out, const real *in, Thin t, const real *bias, bool add, size_t rows, size_t wide)
{
    const size_t l = thread_index(), first = (size_t)blockIdx.y * ROWS_BELOW;
    const size_t end = first + ROWS_BELOW < rows ? first + ROWS_BELOW : rows;
    if (l >= wide)
        return;
    float w[THIN];
#pragma unroll
    for (int r = 0; r < THIN; r++)
        w[r] = r < t.n ? t.w[r * t.of_r + l * t.of_l] : 0;
    const float start = bias ? bias[l] : 0;
#pragma unroll 4
    for (size_t i = first; i < end; i++) {
        float sum = (add ? out[i * wide + l] : 0) + start;
#pragma unroll
        for (int r = 0; r < THIN; r++)
            if (r < t.n)
                sum = fmaf(in[i * t.n + r], w[r], sum);
        out[i * wide + l] = sum;
    }
}

void cuda_narrowing(real *out, const real *in, const real *w, bool transposed, const real *bias, bool add, size_t rows, size_t wide,
                    size_t thin)
{
    const Thin t = {w, transposed ? 1 : wide, transposed ? thin : 1, (int)thin};
    narrowing_kernel<<<(unsigned)((rows + ROWS * WARPS - 1) / (ROWS * WARPS)), THREADS>>>(out, in, t, bias, add, rows, wide);
    CHECK(cudaGetLastError());
}

void cuda_widening(real *out, const real *in, const real *w, bool transposed, const real *bias, bool add, size_t rows, size_t wide,
                   size_t thin)
{
    const Thin t = {w, transposed ? 1 : wide, transposed ? thin : 1, (int)thin};
    dim3 blocks(blocks_for(wide), (unsigned)((rows + ROWS_BELOW - 1) / ROWS_BELOW));
    widening_kernel<<<blocks, THREADS>>>(out, in, t, bias, add, rows, wide);
    CHECK(cudaGetLastError());
}
