/*
 * What the CUDA kernels share: checked calls, scratch of one call, launches, sums over a block. Everything runs on the default
 * stream of one device, so calls happen in the order in which they are made.
 *
 * Sums never use atomics: each value has one owner, who adds in a fixed order.
 */
#ifndef TENSOR_CUDA_DEVICE_CUH
#define TENSOR_CUDA_DEVICE_CUH

#include <math.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cublasLt.h>
#include <cublas_v2.h>
#include <cuda_bf16.h>
#include <cuda_fp16.h>
#include <cuda_runtime.h>

/* The suite's headers are C. */
#define _Noreturn __attribute__((noreturn))
extern "C" {
#include "base/progress.h"
#include "tensor/kernels.h"
}
#undef _Noreturn

static_assert(sizeof(real) == sizeof(float), "CUDA kernels compute in f32; the double build has none");

/* Every call of CUDA and cuBLAS goes through this: what failed, where, and why; then the end. */
#define CHECK(call) cuda_check((call), #call, __FILE__, __LINE__)
void cuda_check(cudaError_t status, const char *call, const char *file, int line);
void cuda_check(cublasStatus_t status, const char *call, const char *file, int line);

/* Each file fills its own slots. */
void cuda_memory_fill(Kernels *k);
void cuda_matmul_fill(Kernels *k, Compute compute);
void cuda_norm_fill(Kernels *k);
void cuda_elementwise_fill(Kernels *k);
void cuda_gated_fill(Kernels *k);
void cuda_attention_fill(Kernels *k);
void cuda_attention_backward_fill(Kernels *k);
void cuda_rows_fill(Kernels *k);
void cuda_logits_fill(Kernels *k);
void cuda_optimizer_fill(Kernels *k);
void cuda_integers_fill(Kernels *k);
void cuda_sums_fill(Kernels *k);

/* Readies memory and cuBLAS on the current device, once. */
void cuda_memory_init(int device);
void cuda_matmul_init(void);

/*
 * Memory of one call: reused once what was launched before cuda_scratch_free has run. Dies with STATUS_MEMORY.
 */
void *cuda_scratch(size_t bytes);
void cuda_scratch_free(const void *p);

/*
 * The device's copy of an index array, for launches made before many more of these calls. The same array is asked for by layer
 * after layer, and is sent once. Nobody frees it.
 */
const void *cuda_indices(const void *host, size_t bytes);

/* out[j] += the sum of sums [parts, cols] over the parts, in their order. */
void cuda_parts_add(real *out, const double *sums, size_t parts, size_t cols);

/*
 * Products of at most 64 rows, where a row's sums run in an order that does not depend on how many there are: y[m,n] = x[m,k]
 * w[n,k]^T (+ bias) (+ y when add). round: inputs are rounded to bf16.
 */
void cuda_few_rows(real *y, const real *x, DType type, const void *w, const real *bias, bool add, bool round, size_t m, size_t n,
                   size_t k);

/*
 * Products of many rows: y[m,rows] of ld columns = x[m,k] w[rows,k]^T (+ bias, may be NULL) (+ y when add); x and w both f32 or both
 * bf16. fits: whether cublasLt takes these sizes and alignments, with `chunk` rows of w at a time.
 */
void cuda_product_init(void);
bool cuda_product_fits(const real *y, const void *x, const void *w, const real *bias, int n, int k, int chunk);
void cuda_product(cudaDataType input, real *y, const void *x, const void *w, const real *bias, bool add, int m, int rows, int k,
                  int ld);

/*
 * Products with a thin side. narrowing: out[rows,thin] (+)= in[rows,wide] w[thin,wide]^T; widening: out[rows,wide] (+)=
 * in[rows,thin] w[thin,wide]; (+ bias, may be NULL). transposed: w is [wide,thin] instead.
 */
enum { THIN = 8 };
void cuda_narrowing(real *out, const real *in, const real *w, bool transposed, const real *bias, bool add, size_t rows, size_t wide,
                    size_t thin);
void cuda_widening(real *out, const real *in, const real *w, bool transposed, const real *bias, bool add, size_t rows, size_t wide,
                   size_t thin);

enum { THREADS = 256 }; /* of every block */

/* Blocks of THREADS for n values, a value per thread. */
static inline unsigned blocks_for(size_t n)
{
    return (unsigned)((n + THREADS - 1) / THREADS);
}

static __device__ inline size_t thread_index(void)
{
    return (size_t)blockIdx.x * THREADS + threadIdx.x;
}

/* One stored value as a float. */
static __device__ inline float value_of(float x)
{
    return x;
}

static __device__ inline float value_of(double x)
{
    return (float)x;
}

static __device__ inline float value_of(__half x)
{
    return __half2float(x);
}

static __device__ inline float value_of(__nv_bfloat16 x)
{
    return __bfloat162float(x);
}

/* The sum of all threads' x, for all of them: by warps, then over the warps in order. Every thread of the block must call it. */
static __device__ inline double block_sum(double x)
{
    __shared__ double sums[THREADS / 32];
    for (int offset = 16; offset > 0; offset /= 2)
        x += __shfl_xor_sync(0xffffffff, x, offset);
    __syncthreads(); /* somebody may still read the last result */
    if (threadIdx.x % 32 == 0)
        sums[threadIdx.x / 32] = x;
    __syncthreads();
    double total = 0;
    for (int i = 0; i < THREADS / 32; i++)
        total += sums[i];
    return total;
}

/* The larger of the two; NaN if one is. */
static __device__ inline float larger(float a, float b)
{
    return b > a || b != b ? b : a;
}

/* The same for the largest x. */
static __device__ inline float block_max(float x)
{
    __shared__ float most[THREADS / 32];
    for (int offset = 16; offset > 0; offset /= 2)
        x = larger(x, __shfl_xor_sync(0xffffffff, x, offset));
    __syncthreads();
    if (threadIdx.x % 32 == 0)
        most[threadIdx.x / 32] = x;
    __syncthreads();
    float result = most[0];
    for (int i = 1; i < THREADS / 32; i++)
        result = larger(result, most[i]);
    return result;
}

#endif
