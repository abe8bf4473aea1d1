/* Attention, compiled for AVX512; the code is in attention_vec.h. */
#include "tensor/cpu/variants.h"

#ifndef VLRM_DOUBLE

#include "tensor/cpu/vec_avx512.h"
#include "tensor/cpu/attention_vec.h"

#endif
