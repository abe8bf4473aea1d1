/*
 * Products: few rows by a kernel of our own, many by cuBLAS, weights of other types expanded a chunk at a time.
 *
 * Few rows (m <= FEW_ROWS) are the decoder's case: there a row's sums run in an order that does not depend on m, which cuBLAS
 * does not promise. cuBLAS reads matrices by columns: our [m,n] is its n by m.
 */
#include "tensor/cuda/device.cuh"

enum {
    FEW_ROWS = 64,
    WARP = 32,
    WARPS = THREADS / WARP,
    GROUP = 8,               /* rows of x that share one reading of the weights */
    CHUNK_VALUES = 16 << 20, /* weights expanded at once: at least one row */
};

static cublasHandle_t blas;

typedef struct Product {
    real *y;
    const real *x;
    const void *w; /* [n,k] */
    const real *bias;
    bool add;
    int m, n, k;
} Product;

/* Never less than f32 sums: no TF32, no narrow sums of parts. */
void cuda_matmul_init(void)
{
    CHECK(cublasCreate(&blas));
    CHECK(cublasSetMathMode(blas, (cublasMath_t)(CUBLAS_DEFAULT_MATH | CUBLAS_MATH_DISALLOW_REDUCED_PRECISION_REDUCTION)));
}

/* ---- few rows ---- */

/* A value as a product uses it: rounded to bf16 or as it is. */
template <bool ROUND> static __device__ inline float input_of(float x)
{
    return ROUND ? __bfloat162float(__float2bfloat16_rn(x)) : x;
}

/* A warp per weight row and group of rows of x: lane e sums values e, e+32, ..., then the lanes are added in a fixed order. */
template <typename W, bool ROUND> static __global__ void few_rows_kernel(Product p)
{
    size_t lane = threadIdx.x % WARP, j = (size_t)blockIdx.x * WARPS + threadIdx.x / WARP;
    size_t m = p.m, n = p.n, k = p.k, i0 = (size_t)blockIdx.y * GROUP;
    if (j >= n) /* a whole warp */
        return;
    const W *w = (const W *)p.w + j * k;
    const real *x[GROUP];
    float sums[GROUP];
    for (size_t g = 0; g < GROUP; g++) {
        x[g] = p.x + (i0 + g < m ? i0 + g : m - 1) * k; /* past the end: the last row again, thrown away */
        sums[g] = 0;
    }
    for (size_t e = lane; e < k; e += WARP) {
        float weight = input_of<ROUND>(value_of(w[e]));
        for (size_t g = 0; g < GROUP; g++)
            sums[g] = fmaf(input_of<ROUND>(x[g][e]), weight, sums[g]);
    }
    for (size_t g = 0; g < GROUP; g++) {
        for (int offset = WARP / 2; offset > 0; offset /= 2)
            sums[g] += __shfl_down_sync(0xffffffff, sums[g], offset);
        if (lane == 0 && i0 + g < m) {
            real *y = p.y + (i0 + g) * n + j;
            float start = (p.add ? *y : 0) + (p.bias ? p.bias[j] : 0);
            *y = start + sums[g];
        }
    }
}

template <typename W, bool ROUND> static void few_rows(const Product *p)
{
    dim3 blocks((unsigned)((p->n + WARPS - 1) / WARPS), (unsigned)((p->m + GROUP - 1) / GROUP));
    few_rows_kernel<W, ROUND><<<blocks, THREADS>>>(*p);
    CHECK(cudaGetLastError());
}

static void few_rows_typed(const Product *p, DType type, bool round)
{
    switch (type) {
    case DTYPE_F32:
        return few_rows<float, false>(p);
    case DTYPE_F64:
        return few_rows<double, false>(p);
    case DTYPE_F16:
        return round ? few_rows<__half, true>(p) : few_rows<__half, false>(p);
    case DTYPE_BF16:
        return round ? few_rows<__nv_bfloat16, true>(p) : few_rows<__nv_bfloat16, false>(p);
    }
    bug("number type %d is unknown", (int)type);
}

/* ---- many rows ---- */

static __device__ inline void value_store(float *y, float x)
{
    *y = x;
}

static __device__ inline void value_store(__nv_bfloat16 *y, float x)
{
    *y = __float2bfloat16_rn(x);
}

template <typename To, typename From> static __global__ void convert_kernel(To *y, const From *x, size_t n)
{
    size_t i = thread_index();
    if (i < n)
        value_store(&y[i], value_of(x[i]));
}

/* Values first .. first+n-1 of x as To, in new scratch. n > 0. */
template <typename To> static To *converted(DType type, const void *x, size_t first, size_t n)
{
    To *y = (To *)cuda_scratch(n * sizeof *y);
    switch (type) {
    case DTYPE_F32:
        convert_kernel<<<blocks_for(n), THREADS>>>(y, (const float *)x + first, n);
        break;
    case DTYPE_F64:
        convert_kernel<<<blocks_for(n), THREADS>>>(y, (const double *)x + first, n);
        break;
    case DTYPE_F16:
        convert_kernel<<<blocks_for(n), THREADS>>>(y, (const __half *)x + first, n);
        break;
    case DTYPE_BF16:
        convert_kernel<<<blocks_for(n), THREADS>>>(y, (const __nv_bfloat16 *)x + first, n);
        break;
    }
    CHECK(cudaGetLastError());
    return y;
}

/* cuBLAS's c[rows,cols] = a b + beta c, all by columns; a and b both f32 or both bf16, sums in f32. */
static void gemm(cudaDataType type, cublasOperation_t ta, cublasOperation_t tb, int rows, int cols, int inner, const void *a,
                 int lda, const void *b, int ldb, float beta, real *c, int ldc)
{
    const float one = 1;
    CHECK(cublasGemmEx(blas, ta, tb, rows, cols, inner, &one, a, type, lda, b, type, ldb, &beta, c, CUDA_R_32F, ldc,
                       CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT));
}

/* What a product with weights stored as `type` multiplies: bf16, or f32. */
static cudaDataType input_type(DType type, bool round)
{
    return round && (type == DTYPE_F16 || type == DTYPE_BF16) ? CUDA_R_16BF : CUDA_R_32F;
}

static bool usable_as_stored(DType type, cudaDataType input)
{
    return input == CUDA_R_16BF ? type == DTYPE_BF16 : type == DTYPE_F32;
}

/* n values of x as inputs of a product: x itself, or new scratch for the caller to free. */
static const void *inputs(cudaDataType input, DType type, const void *x, size_t first, size_t n)
{
    if (usable_as_stored(type, input))
        return (const char *)x + first * dtype_size(type);
    return input == CUDA_R_16BF ? (const void *)converted<__nv_bfloat16>(type, x, first, n)
                                : (const void *)converted<float>(type, x, first, n);
}

static void inputs_free(cudaDataType input, DType type, const void *p)
{
    if (!usable_as_stored(type, input))
        cuda_scratch_free(p);
}

/* Weight rows taken at once. */
static int chunk_rows(const Product *p, DType type, cudaDataType input)
{
    int rows = CHUNK_VALUES / p->k > 0 ? CHUNK_VALUES / p->k : 1;
    return usable_as_stored(type, input) || rows > p->n ? p->n : rows;
}

static __global__ void prepare_kernel(Product p)
{
    size_t i = thread_index();
    if (i < (size_t)p.m * p.n)
        p.y[i] = (p.add ? p.y[i] : 0) + p.bias[i % p.n];
}

static void many_rows(Product *p, DType type, bool round)
{
    if (p->bias) {
        prepare_kernel<<<blocks_for((size_t)p->m * p->n), THREADS>>>(*p);
        CHECK(cudaGetLastError());
        p->add = true;
    }
    cudaDataType input = input_type(type, round);
    const void *x = inputs(input, DTYPE_F32, p->x, 0, (size_t)p->m * p->k);
    int chunk = chunk_rows(p, type, input);
    for (int n0 = 0; n0 < p->n; n0 += chunk) {
        int rows = p->n - n0 < chunk ? p->n - n0 : chunk;
        const void *w = inputs(input, type, p->w, (size_t)n0 * p->k, (size_t)rows * p->k);
        gemm(input, CUBLAS_OP_T, CUBLAS_OP_N, rows, p->m, p->k, w, p->k, x, p->k, p->add, p->y + n0, p->n);
        inputs_free(input, type, w);
    }
    inputs_free(input, DTYPE_F32, x);
}

static void product_run(Product *p, DType type, bool round)
{
    if (p->m == 0 || p->n == 0)
        return;
    if (p->m <= FEW_ROWS || p->k == 0)
        few_rows_typed(p, type, round);
    else
        many_rows(p, type, round);
}

static Product product(real *y, const real *x, const void *w, size_t m, size_t n, size_t k)
{
    if (m > INT32_MAX || n > INT32_MAX || k > INT32_MAX)
        bug("a product of [%zu,%zu] and [%zu,%zu]: cuBLAS counts to 2^31-1", m, k, n, k);
    Product p = {};
    p.y = y;
    p.x = x;
    p.w = w;
    p.m = (int)m;
    p.n = (int)n;
    p.k = (int)k;
    return p;
}

template <bool ROUND>
static void matmul(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n, size_t k)
{
    Product p = product(y, x, w, m, n, k);
    p.bias = bias;
    p.add = add;
    product_run(&p, type, ROUND);
}

/* dx[m,k] += dy[m,n] w[n,k], a chunk of w's rows after the other. */
template <bool ROUND> static void matmul_dx(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    if (m == 0 || n == 0 || k == 0)
        return;
    Product p = product(dx, dy, w, m, n, k);
    cudaDataType input = input_type(type, ROUND);
    size_t wide = input == CUDA_R_16BF ? sizeof(__nv_bfloat16) : sizeof(float);
    const void *x = inputs(input, DTYPE_F32, dy, 0, m * n);
    int chunk = chunk_rows(&p, type, input);
    for (int n0 = 0; n0 < p.n; n0 += chunk) {
        int rows = p.n - n0 < chunk ? p.n - n0 : chunk;
        const void *part = inputs(input, type, w, (size_t)n0 * k, (size_t)rows * k);
        gemm(input, CUBLAS_OP_N, CUBLAS_OP_N, p.k, p.m, rows, part, p.k, (const char *)x + n0 * wide, p.n, 1, dx, p.k);
        inputs_free(input, type, part);
    }
    inputs_free(input, DTYPE_F32, x);
}

/* dw[n,k] += dy[m,n]^T x[m,k]. */
static void matmul_dw(real *dw, const real *dy, const real *x, size_t m, size_t n, size_t k)
{
    if (m == 0 || n == 0 || k == 0)
        return;
    Product p = product(dw, x, dy, m, n, k);
    gemm(CUDA_R_32F, CUBLAS_OP_N, CUBLAS_OP_T, p.k, p.n, p.m, x, p.k, dy, p.n, 1, dw, p.k);
}

/* A thread per column. */
static __global__ void column_sums_kernel(real *db, const real *dy, size_t m, size_t n)
{
    size_t j = thread_index();
    if (j >= n)
        return;
    double sum = 0;
    for (size_t i = 0; i < m; i++)
        sum += (double)dy[i * n + j];
    db[j] += (real)sum;
}

static void column_sums(real *db, const real *dy, size_t m, size_t n)
{
    if (n == 0)
        return;
    column_sums_kernel<<<blocks_for(n), THREADS>>>(db, dy, m, n);
    CHECK(cudaGetLastError());
}

void cuda_matmul_fill(Kernels *k, Compute compute)
{
    k->matmul = compute == COMPUTE_BF16 ? matmul<true> : matmul<false>;
    k->matmul_dx = compute == COMPUTE_BF16 ? matmul_dx<true> : matmul_dx<false>;
    k->matmul_dw = matmul_dw;
    k->column_sums = column_sums;
}
