/*
 * The terms of bf16 products: each lane holds a pair of neighbours along the contraction, in both factors, and vdpbf16ps adds
 * both products to an f32 sum. The same names as terms_f32.h. f16 weights are converted to bf16 as they are loaded.
 */
#ifndef TENSOR_CPU_VEC_TERMS_H
#define TENSOR_CPU_VEC_TERMS_H

#include "tensor/cpu/vec/weight_vec.h"

enum { TERM = 2 };
typedef uint16_t Input;

INLINE V term_fma(V a, V b, V c)
{
    return _mm512_dpbf16_ps(c, (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_castps_si512(b));
}

INLINE V term_input(const Input *x, size_t at)
{
    return _mm512_loadu_ps(x + at);
}

INLINE __mmask32 pair_mask(size_t n)
{
    return (__mmask32)((1ull << n) - 1);
}

INLINE V term_input_n(const Input *x, size_t at, size_t n)
{
    return _mm512_castsi512_ps(_mm512_maskz_loadu_epi16(pair_mask(n), x + at));
}

INLINE V pairs_of_f16(__m512i h)
{
    V low = _mm512_cvtph_ps(_mm512_castsi512_si256(h)), high = _mm512_cvtph_ps(_mm512_extracti32x8_epi32(h, 1));
    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(high, low));
}

INLINE V term_weight(Weight kind, const void *w, size_t at)
{
    V pairs = term_input(w, at);
    return kind == WEIGHT_BF16 ? pairs : pairs_of_f16(_mm512_castps_si512(pairs));
}

INLINE V term_weight_n(Weight kind, const void *w, size_t at, size_t n)
{
    V pairs = term_input_n(w, at, n);
    return kind == WEIGHT_BF16 ? pairs : pairs_of_f16(_mm512_castps_si512(pairs));
}

/* bf16 bits of `columns` <= VL values, one in the low half of each lane. */
INLINE __m512i row_bits(Weight kind, const uint16_t *w, size_t columns)
{
    __m256i h = _mm256_maskz_loadu_epi16((__mmask16)((1u << columns) - 1), w);
    if (kind != WEIGHT_BF16)
        h = (__m256i)_mm512_cvtneps_pbh(_mm512_cvtph_ps(h));
    return _mm512_cvtepu16_epi32(h);
}

/* The terms of `columns` <= VL columns of a row of weights (of TERM rows `width` apart, `rows` of which exist). */
INLINE V term_across(Weight kind, const void *w, size_t at, size_t columns, size_t width, size_t rows)
{
    const uint16_t *h = (const uint16_t *)w + at;
    __m512i pair = row_bits(kind, h, columns);
    if (rows > 1)
        pair = _mm512_or_si512(pair, _mm512_slli_epi32(row_bits(kind, h + width, columns), 16));
    return _mm512_castsi512_ps(pair);
}

INLINE void input_convert(Input *to, const float *from, size_t n)
{
    size_t i = 0;
    for (; i + VL <= n; i += VL)
        _mm256_storeu_si256((__m256i *)(to + i), (__m256i)_mm512_cvtneps_pbh(v_load(from + i)));
    if (i < n)
        _mm256_mask_storeu_epi16(to + i, v_mask(n - i), (__m256i)_mm512_cvtneps_pbh(v_load_n(from + i, n - i)));
}

#endif
