/* Products with 16-bit weights on AVX512-BF16: bf16 inputs, f32 sums. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx512.h"
#include "tensor/cpu/vec/terms_bf16.h"
#include "tensor/cpu/vec/matmul_vec.h"
#include "tensor/cpu/vec/lower_vec.h"

INLINE void bf16_product(bool step, real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m,
                         size_t n, size_t k)
{
    if (dtype_size(type) != 2)
        lower_matmul[step](y, x, type, w, bias, add, m, n, k);
    else
        product_forward(step, y, inputs_rounded(x, m * k), weight_kind(type, COMPUTE_F32), w, bias, add, m, n, k);
}

MATMUL_PAIR(bf16)

static void matmul_dx_bf16(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    if (dtype_size(type) != 2)
        lower_matmul_dx(dx, dy, type, w, m, n, k);
    else
        product_dx(dx, inputs_rounded(dy, m * n), weight_kind(type, COMPUTE_F32), w, m, n, k);
}

void kernels_avx512bf16(Kernels *t)
{
    if (t->compute != COMPUTE_BF16)
        return;
    lower_take(t);
    t->matmul = matmul_bf16;
    t->matmul_step = matmul_step_bf16;
    t->matmul_dx = matmul_dx_bf16;
}
