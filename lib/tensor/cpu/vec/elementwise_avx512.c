/* The kernels of elementwise_vec.h, compiled for AVX512. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx512.h"
#include "tensor/cpu/vec/elementwise_vec.h"
