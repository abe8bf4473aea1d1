/* The kernels of elementwise_vec.h, compiled for AVX512. */
#include "tensor/cpu/variants.h"

#ifndef VLRM_DOUBLE

#include "tensor/cpu/vec_avx512.h"
#include "tensor/cpu/elementwise_vec.h"

#endif
