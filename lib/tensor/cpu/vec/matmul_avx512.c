/* Products on AVX512; the loops are in matmul_vec.h and what it includes. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx512.h"
#include "tensor/cpu/vec/matmul_f32_vec.h"
