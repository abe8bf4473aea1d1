/* The kernels of rows_vec.h, compiled for AVX512. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx512.h"
#include "tensor/cpu/vec/rows_vec.h"
