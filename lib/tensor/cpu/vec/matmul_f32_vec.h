/* The slots of products that compute in f32, and those that emulate bf16 inputs by rounding. Included after vec_*.h. */
#include "tensor/cpu/vec/terms_f32.h"
#include "tensor/cpu/vec/matmul_vec.h"
#include "tensor/cpu/vec/lower_vec.h"

/* Weights stored in doubles are the lower table's. */
INLINE void f32_product(bool step, real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m,
                        size_t n, size_t k)
{
    if (type == DTYPE_F64)
        lower_matmul[step](y, x, type, w, bias, add, m, n, k);
    else
        product_forward(step, y, x, weight_kind(type, COMPUTE_F32), w, bias, add, m, n, k);
}

INLINE void rounded_product(bool step, real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m,
                            size_t n, size_t k)
{
    if (dtype_size(type) != 2)
        f32_product(step, y, x, type, w, bias, add, m, n, k);
    else
        product_forward(step, y, inputs_rounded(x, m * k), weight_kind(type, COMPUTE_BF16), w, bias, add, m, n, k);
}

MATMUL_PAIR(f32)
MATMUL_PAIR(rounded)

/* x [rows, cols] transposed, in scratch: few columns (an adapter's B) make panels that are mostly padding, few rows do not. */
static const float *transposed(const float *x, size_t rows, size_t cols)
{
    float *to = scratch(SCRATCH_INPUT, rows * cols * sizeof *to);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            to[j * rows + i] = x[i * cols + j];
    return to;
}

static void matmul_dx_f32(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    if (type == DTYPE_F64)
        lower_matmul_dx(dx, dy, type, w, m, n, k);
    else if (type == DTYPE_F32 && k <= DOT_MOST_COLUMNS)
        product_forward(false, dx, dy, WEIGHT_F32, transposed(w, n, k), NULL, true, m, k, n);
    else
        product_dx(dx, dy, weight_kind(type, COMPUTE_F32), w, m, n, k);
}

static void matmul_dx_rounded(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    if (dtype_size(type) != 2)
        matmul_dx_f32(dx, dy, type, w, m, n, k);
    else
        product_dx(dx, inputs_rounded(dy, m * n), weight_kind(type, COMPUTE_BF16), w, m, n, k);
}

/* dw[n,k] += dy[m,n]^T x[m,k] for few columns k: their transpose is x^T dy. */
static void matmul_dw_narrow(real *dw, const real *dy, const real *x, size_t m, size_t n, size_t k)
{
    float *dwt = scratch(SCRATCH_INPUT, k * n * sizeof *dwt);
    gemm_product(&(Gemm){
        .c = dwt, .a = x, .b = dy, .lda = k, .ldb = n, .kind = WEIGHT_F32, .a_transposed = true, .m = k, .n = n, .depth = m});
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < k; j++)
            dw[i * k + j] += dwt[j * n + i];
}

/* dw[n,k] += dy[m,n]^T x[m,k]: always f32, only trained weights have gradients. */
static void matmul_dw_f32(real *dw, const real *dy, const real *x, size_t m, size_t n, size_t k)
{
    if (m > 0 && k <= DOT_MOST_COLUMNS && k < n) {
        matmul_dw_narrow(dw, dy, x, m, n, k);
        return;
    }
    gemm_product(&(Gemm){.c = dw,
                         .add = true,
                         .a = dy,
                         .b = x,
                         .lda = n,
                         .ldb = k,
                         .kind = WEIGHT_F32,
                         .a_transposed = true,
                         .m = n,
                         .n = k,
                         .depth = m});
}

void VEC_NAME(products)(Kernels *t)
{
    lower_take(t);
    bool f32 = t->compute == COMPUTE_F32;
    t->matmul = f32 ? matmul_f32 : matmul_rounded;
    t->matmul_step = f32 ? matmul_step_f32 : matmul_step_rounded;
    t->matmul_dx = f32 ? matmul_dx_f32 : matmul_dx_rounded;
    t->matmul_dw = matmul_dw_f32;
}
