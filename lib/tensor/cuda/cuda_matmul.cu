/*
 * Products: few rows by kernels of our own (cuda_few_rows.cu), many by cuBLAS, weights of other types expanded a chunk at a time.
 * cuBLAS reads matrices by columns: our [m,n] is its n by m.
 */
#include "tensor/cuda/device.cuh"

enum {
    FEW_ROWS = 64,
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
    cuda_product_init();
}

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

/* y = bias or y + bias by rows: what the product is then added to. */
static void prepare(Product *p)
{
    prepare_kernel<<<blocks_for((size_t)p->m * p->n), THREADS>>>(*p);
    CHECK(cudaGetLastError());
    p->add = true;
    p->bias = NULL;
}

static void many_rows(Product *p, DType type, bool round)
{
    cudaDataType input = input_type(type, round);
    const void *x = inputs(input, DTYPE_F32, p->x, 0, (size_t)p->m * p->k);
    int chunk = chunk_rows(p, type, input);
    const bool fits = cuda_product_fits(p->y, x, p->w, p->bias, p->n, p->k, chunk);
    if (p->bias && !fits)
        prepare(p);
    for (int n0 = 0; n0 < p->n; n0 += chunk) {
        int rows = p->n - n0 < chunk ? p->n - n0 : chunk;
        const void *w = inputs(input, type, p->w, (size_t)n0 * p->k, (size_t)rows * p->k);
        if (fits)
            cuda_product(input, p->y + n0, x, w, p->bias ? p->bias + n0 : NULL, p->add, p->m, rows, p->k, p->n);
        else
            gemm(input, CUBLAS_OP_T, CUBLAS_OP_N, rows, p->m, p->k, w, p->k, x, p->k, p->add, p->y + n0, p->n);
        inputs_free(input, type, w);
    }
    inputs_free(input, DTYPE_F32, x);
}

static void product_run(Product *p, DType type, bool round)
{
    const real *w = (const real *)p->w;
    if (p->m == 0 || p->n == 0)
        return;
    if (p->m > FEW_ROWS && type == DTYPE_F32 && p->n <= THIN && p->k > THIN)
        cuda_narrowing(p->y, p->x, w, false, p->bias, p->add, (size_t)p->m, (size_t)p->k, (size_t)p->n);
    else if (p->m > FEW_ROWS && type == DTYPE_F32 && p->k <= THIN && p->k > 0)
        cuda_widening(p->y, p->x, w, true, p->bias, p->add, (size_t)p->m, (size_t)p->n, (size_t)p->k);
    else if (p->m <= FEW_ROWS || p->k == 0)
        cuda_few_rows(p->y, p->x, type, p->w, p->bias, p->add, round, (size_t)p->m, (size_t)p->n, (size_t)p->k);
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
    if (type == DTYPE_F32 && k <= THIN && n > THIN)
        return cuda_narrowing(dx, dy, (const real *)w, true, NULL, true, m, n, k);
    if (type == DTYPE_F32 && n <= THIN)
        return cuda_widening(dx, dy, (const real *)w, false, NULL, true, m, k, n);
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

void cuda_matmul_fill(Kernels *k, Compute compute)
{
    k->matmul = k->matmul_step = compute == COMPUTE_BF16 ? matmul<true> : matmul<false>;
    k->matmul_dx = compute == COMPUTE_BF16 ? matmul_dx<true> : matmul_dx<false>;
    k->matmul_dw = matmul_dw;
}
