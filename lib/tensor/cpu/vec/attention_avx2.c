/* Attention, compiled for AVX2; the code is in attention_vec.h. */
#include "tensor/cpu/vec/variants.h"

#include "tensor/cpu/vec/vec_avx2.h"
#include "tensor/cpu/vec/attention_vec.h"
