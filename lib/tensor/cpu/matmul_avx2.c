/* Products on AVX2; the loops are in matmul_vec.h and what it includes. */
#include "tensor/cpu/variants.h"

#ifndef VLRM_DOUBLE

#include "tensor/cpu/vec_avx2.h"
#include "tensor/cpu/matmul_f32_vec.h"

#endif
