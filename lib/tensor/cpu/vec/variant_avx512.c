/* What the AVX-512 table does better than the one below it. */
#include "tensor/cpu/vec/variants.h"

void kernels_avx512(Kernels *t)
{
    products_avx512(t);
    elementwise_avx512(t);
    rows_avx512(t);
    attention_avx512(t);
}
