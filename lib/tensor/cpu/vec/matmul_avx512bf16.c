/* Products with 16-bit weights on AVX512-BF16: bf16 inputs, f32 sums. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx512.h"
#include "tensor/cpu/vec/terms_bf16.h"
#include "tensor/cpu/vec/matmul_vec.h"

static Matmul *matmul_lower, *matmul_step_lower;
static MatmulDx *matmul_dx_lower;

static void matmul_bf16(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                        size_t k)
{
    if (dtype_size(type) != 2)
        matmul_lower(y, x, type, w, bias, add, m, n, k);
    else
        product_forward(false, y, inputs_rounded(x, m * k), weight_kind(type, COMPUTE_F32), w, bias, add, m, n, k);
}

static void matmul_step_bf16(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                             size_t k)
{
    if (dtype_size(type) != 2)
        matmul_step_lower(y, x, type, w, bias, add, m, n, k);
    else
        product_forward(true, y, inputs_rounded(x, m * k), weight_kind(type, COMPUTE_F32), w, bias, add, m, n, k);
}

static void matmul_dx_bf16(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    if (dtype_size(type) != 2)
        matmul_dx_lower(dx, dy, type, w, m, n, k);
    else
        product_dx(dx, inputs_rounded(dy, m * n), weight_kind(type, COMPUTE_F32), w, m, n, k);
}

void kernels_avx512bf16(Kernels *t)
{
    if (t->compute != COMPUTE_BF16)
        return;
    matmul_lower = t->matmul;
    matmul_step_lower = t->matmul_step;
    matmul_dx_lower = t->matmul_dx;
    t->matmul = matmul_bf16;
    t->matmul_step = matmul_step_bf16;
    t->matmul_dx = matmul_dx_bf16;
}
