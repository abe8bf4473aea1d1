/* The kernels of elementwise_vec.h, compiled for AVX2. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx2.h"
#include "tensor/cpu/vec/elementwise_vec.h"
