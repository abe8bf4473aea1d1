/* What the AVX2 table does better than the one below it. */
#include "tensor/cpu/vec/variants.h"

void kernels_avx2(Kernels *t)
{
    products_avx2(t);
    elementwise_avx2(t);
    rows_avx2(t);
    attention_avx2(t);
}
