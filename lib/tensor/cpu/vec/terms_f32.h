/*
 * The terms of f32 products: one value of each factor in each lane, inputs as they are or rounded to bf16 beforehand, weights
 * converted as they are loaded. terms_bf16.h has the same names for pairs of bf16. Included after vec_*.h, before dot_vec.h.
 */
#ifndef TENSOR_CPU_VEC_TERMS_H
#define TENSOR_CPU_VEC_TERMS_H

#include "tensor/cpu/vec/weight_vec.h"

enum { TERM = 1 }; /* values of a factor in one lane */
typedef float Input;

INLINE V term_fma(V a, V b, V c)
{
    return v_fma(a, b, c);
}

/* Inputs at .. at+VL-1; and the first n of them, the other lanes zero. */
INLINE V term_input(const Input *x, size_t at)
{
    return v_load(x + at);
}

INLINE V term_input_n(const Input *x, size_t at, size_t n)
{
    return v_load_n(x + at, n);
}

INLINE V term_weight(Weight kind, const void *w, size_t at)
{
    return weight_load(kind, w, at);
}

INLINE V term_weight_n(Weight kind, const void *w, size_t at, size_t n)
{
    return weight_load_n(kind, w, at, n);
}

/* The terms of `columns` <= VL columns of a row of weights (of TERM rows, `rows` of which exist). */
INLINE V term_across(Weight kind, const void *w, size_t at, size_t columns, size_t width, size_t rows)
{
    (void)width, (void)rows;
    return columns == VL ? weight_load(kind, w, at) : weight_load_n(kind, w, at, columns);
}

INLINE void input_convert(Input *to, const float *from, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        v_store(to + i, v_round_bf16(v_load(from + i)));
    if (i < n)
        v_store_n(to + i, v_round_bf16(v_load_n(from + i, n - i)), n - i);
}

#endif
