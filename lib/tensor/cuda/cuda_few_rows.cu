/*
 * Products of few rows, the decoder's case: what takes time is reading the weights once. Three kernels: tensor cores for bf16
 * inputs; multiply-adds for f32; and a plain one for widths that are not whole vectors.
 *
 * In each a row's sums run in an order that depends on n and k alone, not on the other rows: a caption does not depend on its
 * batch.
 */
#include "tensor/cuda/device.cuh"

enum { WARP = 32, WARPS = THREADS / WARP };

typedef struct Product {
    real *y;
    const void *x; /* [m,k], real; for tensor cores bf16 */
    const void *w; /* [n,k] */
    const real *bias;
    bool add;
    size_t m, n, k;
} Product;

/* y of row i, column j, whose sum is there. */
static __device__ inline void result(const Product &p, size_t i, size_t j, float sum)
{
    real *y = p.y + i * p.n + j;
    *y = (p.add ? *y : 0) + (p.bias ? p.bias[j] : 0) + sum;
}

/* ---- bf16 inputs, tensor cores ---- */

enum {
    ROWS = 8,        /* rows of x that one instruction takes */
    COLUMNS = 16,    /* and rows of w */
    CHUNK = 32,      /* values of k that a warp takes at once: 16 bytes of bf16 a lane, two instructions */
    AHEAD = 2,       /* chunks whose weights are asked for before the first is used */
};

/* Two values as bf16, the first in the lower half. */
static __device__ inline uint32_t pack(float a, float b)
{
    __nv_bfloat162 x = __floats2bfloat162_rn(a, b);
    return *(uint32_t *)&x;
}

/* Eight stored weights as bf16. */
static __device__ inline uint4 eight(const __nv_bfloat16 *w)
{
    return *(const uint4 *)w;
}

static __device__ inline uint4 eight(const __half *w)
{
    uint4 bits = *(const uint4 *)w;
    const __half2 *h = (const __half2 *)&bits;
    float2 a = __half22float2(h[0]), b = __half22float2(h[1]), c = __half22float2(h[2]), d = __half22float2(h[3]);
    return make_uint4(pack(a.x, a.y), pack(b.x, b.y), pack(c.x, c.y), pack(d.x, d.y));
}

/* Eight values to bf16. */
static __global__ void round_kernel(uint4 *to, const real *x, size_t n)
{
    size_t i = thread_index();
    if (i >= n)
        return;
    float4 a = ((const float4 *)x)[2 * i], b = ((const float4 *)x)[2 * i + 1];
    to[i] = make_uint4(pack(a.x, a.y), pack(a.z, a.w), pack(b.x, b.y), pack(b.z, b.w));
}

/* c[16,8] += a[16,16] b[16,8]; fragments as PTX's mma.m16n8k16 has them. */
static __device__ inline void multiply(float c[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0, uint32_t b1)
{
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

/*
 * A block takes ROWS * TILES rows of x and COLUMNS * STRIPS rows of w; its warps take chunks of k in turn, and their sums are
 * added in order at the end. In a chunk lane (g, t) holds values 8t .. 8t+7 of row g: an instruction adds over its 16 values of
 * k in whatever order they come, if both sides have the same.
 */
template <typename W, int TILES, int STRIPS> static __global__ void __launch_bounds__(THREADS) tensor_kernel(Product p)
{
    __shared__ float sums[WARPS / 2][COLUMNS * STRIPS][ROWS * TILES + 1];
    const size_t warp = threadIdx.x / WARP, lane = threadIdx.x % WARP, g = lane / 4, t = lane % 4;
    const size_t i0 = (size_t)blockIdx.x * ROWS * TILES, j0 = (size_t)blockIdx.y * COLUMNS * STRIPS;
    const W *w[STRIPS][2];
    const __nv_bfloat16 *x[TILES];
    float c[STRIPS][TILES][4] = {};
#pragma unroll
    for (int s = 0; s < STRIPS; s++)
#pragma unroll
        for (int h = 0; h < 2; h++) { /* past the end: the last row again, thrown away */
            size_t j = j0 + s * COLUMNS + h * 8 + g;
            w[s][h] = (const W *)p.w + (j < p.n ? j : p.n - 1) * p.k + 8 * t;
        }
#pragma unroll
    for (int r = 0; r < TILES; r++) {
        size_t i = i0 + r * ROWS + g;
        x[r] = (const __nv_bfloat16 *)p.x + (i < p.m ? i : p.m - 1) * p.k + 8 * t;
    }
    for (size_t k0 = warp * CHUNK; k0 < p.k; k0 += (size_t)WARPS * CHUNK * AHEAD) {
        uint4 a[AHEAD][STRIPS][2], b[AHEAD][TILES];
#pragma unroll
        for (int q = 0; q < AHEAD; q++) {
            const size_t ahead = k0 + (size_t)q * WARPS * CHUNK, at = ahead < p.k ? ahead : k0;
#pragma unroll
            for (int s = 0; s < STRIPS; s++)
#pragma unroll
                for (int h = 0; h < 2; h++)
                    a[q][s][h] = eight(w[s][h] + at);
#pragma unroll
            for (int r = 0; r < TILES; r++)
                b[q][r] = eight(x[r] + at);
        }
#pragma unroll
        for (int q = 0; q < AHEAD; q++) {
            if (k0 + (size_t)q * WARPS * CHUNK >= p.k)
                break;
#pragma unroll
            for (int r = 0; r < TILES; r++)
#pragma unroll
                for (int s = 0; s < STRIPS; s++) {
                    const uint4 low = a[q][s][0], high = a[q][s][1];
                    multiply(c[s][r], low.x, high.x, low.y, high.y, b[q][r].x, b[q][r].y);
                    multiply(c[s][r], low.z, high.z, low.w, high.w, b[q][r].z, b[q][r].w);
                }
        }
    }
    /* The upper half of the warps leaves its sums, the lower half adds them; and so on until one has all. */
    for (size_t half = WARPS / 2; half > 0; half /= 2) {
        __syncthreads();
        if (warp >= half && warp < 2 * half)
#pragma unroll
            for (int s = 0; s < STRIPS; s++)
#pragma unroll
                for (int r = 0; r < TILES; r++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        sums[warp - half][s * COLUMNS + e / 2 * 8 + g][r * ROWS + 2 * t + e % 2] = c[s][r][e];
        __syncthreads();
        if (warp < half)
#pragma unroll
            for (int s = 0; s < STRIPS; s++)
#pragma unroll
                for (int r = 0; r < TILES; r++)
#pragma unroll
                    for (int e = 0; e < 4; e++)
                        c[s][r][e] += sums[warp][s * COLUMNS + e / 2 * 8 + g][r * ROWS + 2 * t + e % 2];
    }
    __syncthreads();
    if (warp == 0)
#pragma unroll
        for (int s = 0; s < STRIPS; s++)
#pragma unroll
            for (int r = 0; r < TILES; r++)
#pragma unroll
                for (int e = 0; e < 4; e++)
                    sums[0][s * COLUMNS + e / 2 * 8 + g][r * ROWS + 2 * t + e % 2] = c[s][r][e];
    __syncthreads();
    for (size_t e = threadIdx.x; e < COLUMNS * STRIPS * ROWS * TILES; e += THREADS) {
        size_t i = e / (COLUMNS * STRIPS), j = e % (COLUMNS * STRIPS);
        if (i0 + i < p.m && j0 + j < p.n)
            result(p, i0 + i, j0 + j, sums[0][j][i]);
    }
}

template <typename W, int TILES, int STRIPS> static void tensor_rows(const Product *p)
{
    dim3 blocks((unsigned)((p->m + ROWS * TILES - 1) / (ROWS * TILES)),
                (unsigned)((p->n + COLUMNS * STRIPS - 1) / (COLUMNS * STRIPS)));
    tensor_kernel<W, TILES, STRIPS><<<blocks, THREADS>>>(*p);
    CHECK(cudaGetLastError());
}

/* Wide layers have blocks enough for all multiprocessors with more columns in each. */
template <typename W> static void tensor_products_sized(const Product *p)
{
    const bool wide = p->n >= 8192;
    if (p->m <= ROWS)
        return wide ? tensor_rows<W, 1, 2>(p) : tensor_rows<W, 1, 1>(p);
    if (p->m <= 2 * ROWS)
        return wide ? tensor_rows<W, 2, 2>(p) : tensor_rows<W, 2, 1>(p);
    tensor_rows<W, 4, 2>(p);
}

template <typename W> static void tensor_products(const Product *p)
{
    const size_t vectors = p->m * p->k / 8;
    uint4 *x = (uint4 *)cuda_scratch(vectors * sizeof *x);
    round_kernel<<<blocks_for(vectors), THREADS>>>(x, (const real *)p->x, vectors);
    CHECK(cudaGetLastError());
    Product rounded = *p;
    rounded.x = x;
    tensor_products_sized<W>(&rounded);
    cuda_scratch_free(x);
}

/* ---- f32 inputs ---- */

enum { GROUP = 8, LINES = 4, VECTOR = 4 }; /* rows of x and of w that a warp takes, values that a lane reads at once */

static __device__ inline float4 four(const float *w)
{
    return *(const float4 *)w;
}

static __device__ inline float4 four(const __half *w)
{
    uint2 bits = *(const uint2 *)w;
    const __half2 *h = (const __half2 *)&bits;
    float2 a = __half22float2(h[0]), b = __half22float2(h[1]);
    return make_float4(a.x, a.y, b.x, b.y);
}

static __device__ inline float4 four(const __nv_bfloat16 *w)
{
    uint2 bits = *(const uint2 *)w;
    return make_float4(__uint_as_float(bits.x << 16), __uint_as_float(bits.x & 0xffff0000), __uint_as_float(bits.y << 16),
                       __uint_as_float(bits.y & 0xffff0000));
}

static __device__ inline float multiply_add(float4 a, float4 b, float c)
{
    return fmaf(a.w, b.w, fmaf(a.z, b.z, fmaf(a.y, b.y, fmaf(a.x, b.x, c))));
}

/* Lane e sums values 4e .. 4e+3, then those 128 further on, ...; the lanes are added in a fixed order. */
template <typename W> static __global__ void __launch_bounds__(THREADS) vector_kernel(Product p)
{
    const size_t lane = threadIdx.x % WARP, i0 = (size_t)blockIdx.x * GROUP;
    const size_t j0 = ((size_t)blockIdx.y * WARPS + threadIdx.x / WARP) * LINES;
    if (j0 >= p.n) /* a whole warp */
        return;
    float sums[LINES][GROUP] = {};
    for (size_t e = lane * VECTOR; e < p.k; e += WARP * VECTOR) {
        float4 w[LINES];
#pragma unroll
        for (int l = 0; l < LINES; l++)
            w[l] = four((const W *)p.w + (j0 + l < p.n ? j0 + l : p.n - 1) * p.k + e);
#pragma unroll
        for (int g = 0; g < GROUP; g++) {
            float4 x = four((const real *)p.x + (i0 + g < p.m ? i0 + g : p.m - 1) * p.k + e);
#pragma unroll
            for (int l = 0; l < LINES; l++)
                sums[l][g] = multiply_add(x, w[l], sums[l][g]);
        }
    }
#pragma unroll
    for (int l = 0; l < LINES; l++)
#pragma unroll
        for (int g = 0; g < GROUP; g++) {
            for (int offset = WARP / 2; offset > 0; offset /= 2)
                sums[l][g] += __shfl_down_sync(0xffffffff, sums[l][g], offset);
            if (lane == 0 && i0 + g < p.m && j0 + l < p.n)
                result(p, i0 + g, j0 + l, sums[l][g]);
        }
}

template <typename W> static void vector_products(const Product *p)
{
    dim3 blocks((unsigned)((p->m + GROUP - 1) / GROUP), (unsigned)((p->n + WARPS * LINES - 1) / (WARPS * LINES)));
    vector_kernel<W><<<blocks, THREADS>>>(*p);
    CHECK(cudaGetLastError());
}

/* ---- any width ---- */

/* A value as a product uses it: rounded to bf16 or as it is. */
template <bool ROUND> static __device__ inline float input_of(float x)
{
    return ROUND ? __bfloat162float(__float2bfloat16_rn(x)) : x;
}

/* A warp per weight row and row of x. */
template <typename W, bool ROUND> static __global__ void any_kernel(Product p)
{
    const size_t lane = threadIdx.x % WARP, j = (size_t)blockIdx.y * WARPS + threadIdx.x / WARP, i = blockIdx.x;
    if (j >= p.n) /* a whole warp */
        return;
    float sum = 0;
    for (size_t e = lane; e < p.k; e += WARP)
        sum = fmaf(input_of<ROUND>(((const real *)p.x)[i * p.k + e]), input_of<ROUND>(value_of(((const W *)p.w)[j * p.k + e])), sum);
    for (int offset = WARP / 2; offset > 0; offset /= 2)
        sum += __shfl_down_sync(0xffffffff, sum, offset);
    if (lane == 0)
        result(p, i, j, sum);
}

template <typename W, bool ROUND> static void any_products(const Product *p)
{
    any_kernel<W, ROUND><<<dim3((unsigned)p->m, (unsigned)((p->n + WARPS - 1) / WARPS)), THREADS>>>(*p);
    CHECK(cudaGetLastError());
}

/* ---- which ---- */

static bool aligned(const Product *p)
{
    return ((uintptr_t)p->x | (uintptr_t)p->w) % 16 == 0;
}

template <typename W> static void products_16_bit(const Product *p, bool round)
{
    if (round && p->k % CHUNK == 0 && p->k > 0 && aligned(p))
        tensor_products<W>(p);
    else if (round)
        any_products<W, true>(p);
    else if (p->k % VECTOR == 0 && aligned(p))
        vector_products<W>(p);
    else
        any_products<W, false>(p);
}

void cuda_few_rows(real *y, const real *x, DType type, const void *w, const real *bias, bool add, bool round, size_t m, size_t n,
                   size_t k)
{
    const Product p = {y, x, w, bias, add, m, n, k};
    switch (type) {
    case DTYPE_F32:
        return k % VECTOR == 0 && aligned(&p) ? vector_products<float>(&p) : any_products<float, false>(&p);
    case DTYPE_F64:
        return any_products<double, false>(&p);
    case DTYPE_F16:
        return products_16_bit<__half>(&p, round);
    case DTYPE_BF16:
        return products_16_bit<__nv_bfloat16>(&p, round);
    }
    bug("number type %d is unknown", (int)type);
}
