/* Attention, compiled for AVX2; the code is in attention_vec.h. */
#include "tensor/cpu/variants.h"

#ifndef VLRM_DOUBLE

#include "tensor/cpu/vec_avx2.h"
#include "tensor/cpu/attention_vec.h"

#endif
