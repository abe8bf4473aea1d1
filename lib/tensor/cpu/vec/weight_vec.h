/*
 * How a vector of weights is read where it lies. Include after vec_avx2.h or vec_avx512.h.
 * WEIGHT_F16_ROUNDED is an f16 weight in a product with bf16 inputs, emulated: rounded to bf16 once loaded.
 */
#ifndef TENSOR_CPU_VEC_WEIGHT_VEC_H
#define TENSOR_CPU_VEC_WEIGHT_VEC_H

#include "tensor/kernels.h"

typedef enum Weight { WEIGHT_F32, WEIGHT_F16, WEIGHT_BF16, WEIGHT_F16_ROUNDED } Weight;

/* Not for DTYPE_F64, which is left to the plain table. */
INLINE Weight weight_kind(DType type, Compute compute)
{
    if (type == DTYPE_F32)
        return WEIGHT_F32;
    if (type == DTYPE_BF16)
        return WEIGHT_BF16;
    return compute == COMPUTE_BF16 ? WEIGHT_F16_ROUNDED : WEIGHT_F16;
}

INLINE size_t weight_size(Weight kind)
{
    return kind == WEIGHT_F32 ? 4 : 2;
}

INLINE V weight_load(Weight kind, const void *w, size_t at)
{
    if (kind == WEIGHT_F32)
        return v_load((const float *)w + at);
    const uint16_t *h = (const uint16_t *)w + at;
    if (kind == WEIGHT_BF16)
        return v_load_bf16(h);
    V f = v_load_f16(h);
    return kind == WEIGHT_F16 ? f : v_round_bf16(f);
}

/* The first n < VL values; the other lanes are zero. */
INLINE V weight_load_n(Weight kind, const void *w, size_t at, size_t n)
{
    if (kind == WEIGHT_F32)
        return v_load_n((const float *)w + at, n);
    const uint16_t *h = (const uint16_t *)w + at;
    if (kind == WEIGHT_BF16)
        return v_load_bf16_n(h, n);
    V f = v_load_f16_n(h, n);
    return kind == WEIGHT_F16 ? f : v_round_bf16(f);
}

#endif
