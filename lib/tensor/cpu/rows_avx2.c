/* The kernels of rows_vec.h, compiled for AVX2. */
#include "tensor/cpu/variants.h"

#ifndef VLRM_DOUBLE

#include "tensor/cpu/vec_avx2.h"
#include "tensor/cpu/rows_vec.h"

#endif
