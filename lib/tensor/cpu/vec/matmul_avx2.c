/* Products on AVX2; the loops are in matmul_vec.h and what it includes. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx2.h"
#include "tensor/cpu/vec/matmul_f32_vec.h"
