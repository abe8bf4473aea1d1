/* The kernels of rows_vec.h, compiled for AVX512. */
#include "tensor/cpu/variants.h"

#ifndef VLRM_DOUBLE

#include "tensor/cpu/vec_avx512.h"
#include "tensor/cpu/rows_vec.h"

#endif
