/* Attention, compiled for AVX512; the code is in attention_vec.h. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx512.h"
#include "tensor/cpu/vec/attention_vec.h"
