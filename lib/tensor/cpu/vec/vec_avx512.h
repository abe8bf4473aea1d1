/*
 * Vectors of 16 floats: the few operations that the kernels in *_vec.h are written in. vec_avx2.h has the same names for 8
 * floats; a kernel file includes one of the two and then the kernels, so there is one source for both processors.
 */
#ifndef TENSOR_VEC_H
#define TENSOR_VEC_H

#include <immintrin.h>

#include "tensor/tensor.h"

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL_FOR(...) _Pragma("clang loop unroll(full)") for (__VA_ARGS__)
#else
#define UNROLL_FOR(...) _Pragma("GCC unroll 16") for (__VA_ARGS__)
#endif
#define VEC_NAME(name) name##_avx512

typedef __m512 V;   /* VL floats */
typedef __m512d VD; /* VL / 2 doubles */
enum { VL = 16, VEC_REGISTERS = 32 };

INLINE V v_zero(void)
{
    return _mm512_setzero_ps();
}

INLINE V v_set(float x)
{
    return _mm512_set1_ps(x);
}

INLINE V v_load(const float *p)
{
    return _mm512_loadu_ps(p);
}

INLINE void v_store(float *p, V x)
{
    _mm512_storeu_ps(p, x);
}

/* The first n < VL values; the other lanes are zero, and are not stored. */
INLINE __mmask16 v_mask(size_t n)
{
    return (__mmask16)((1u << n) - 1);
}

INLINE V v_load_n(const float *p, size_t n)
{
    return _mm512_maskz_loadu_ps(v_mask(n), p);
}

INLINE void v_store_n(float *p, V x, size_t n)
{
    _mm512_mask_storeu_ps(p, v_mask(n), x);
}

INLINE V v_from_f16(__m256i h)
{
    return _mm512_cvtph_ps(h);
}

INLINE V v_from_bf16(__m256i h)
{
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(h), 16));
}

INLINE V v_load_f16(const uint16_t *p)
{
    return v_from_f16(_mm256_loadu_si256((const __m256i *)p));
}

INLINE V v_load_bf16(const uint16_t *p)
{
    return v_from_bf16(_mm256_loadu_si256((const __m256i *)p));
}

INLINE V v_load_f16_n(const uint16_t *p, size_t n)
{
    return v_from_f16(_mm256_maskz_loadu_epi16(v_mask(n), p));
}

INLINE V v_load_bf16_n(const uint16_t *p, size_t n)
{
    return v_from_bf16(_mm256_maskz_loadu_epi16(v_mask(n), p));
}

/* Each value to the nearest bf16 (even on ties), still as a float. */
INLINE V v_round_bf16(V x)
{
    __m512i b = _mm512_castps_si512(x);
    __m512i odd = _mm512_and_si512(_mm512_srli_epi32(b, 16), _mm512_set1_epi32(1));
    b = _mm512_add_epi32(b, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff)));
    b = _mm512_and_si512(b, _mm512_set1_epi32((int)0xffff0000));
    return _mm512_mask_mov_ps(_mm512_castsi512_ps(b), _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q), _mm512_set1_ps(__builtin_nanf("")));
}

INLINE V v_add(V a, V b)
{
    return _mm512_add_ps(a, b);
}

INLINE V v_sub(V a, V b)
{
    return _mm512_sub_ps(a, b);
}

INLINE V v_mul(V a, V b)
{
    return _mm512_mul_ps(a, b);
}

INLINE V v_div(V a, V b)
{
    return _mm512_div_ps(a, b);
}

INLINE V v_sqrt(V a)
{
    return _mm512_sqrt_ps(a);
}

INLINE V v_fma(V a, V b, V c) /* a b + c */
{
    return _mm512_fmadd_ps(a, b, c);
}

INLINE V v_fnma(V a, V b, V c) /* c - a b */
{
    return _mm512_fnmadd_ps(a, b, c);
}

/* As maxps: the second where either is NaN. */
INLINE V v_max(V a, V b)
{
    return _mm512_max_ps(a, b);
}

INLINE V v_min(V a, V b)
{
    return _mm512_min_ps(a, b);
}

INLINE V v_abs(V a)
{
    return _mm512_abs_ps(a);
}

/* |a| with the sign of b. */
INLINE V v_copysign(V a, V b)
{
    __m512i sign = _mm512_set1_epi32((int)0x80000000);
    return _mm512_castsi512_ps(_mm512_ternarylogic_epi32(sign, _mm512_castps_si512(b), _mm512_castps_si512(a), 0xca));
}

/* a < b ? x : y */
INLINE V v_less(V a, V b, V x, V y)
{
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(a, b, _CMP_LT_OQ), y, x);
}

/* Bit i: lane i of a is greater than that of b. */
INLINE unsigned v_greater(V a, V b)
{
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}

/* The nearest whole number; and a * 2^n for whole n in [-126, 127]. */
INLINE V v_nearest(V a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE V v_scale2(V a, V n)
{
    return _mm512_scalef_ps(a, n);
}

/* Sums over all lanes, the same tree for each: of four vectors into four floats, and of one. */
INLINE __m128 v_quarter(V a)
{
    __m256 h = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    return _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1));
}

INLINE __m128 v_sum4(V a, V b, V c, V d)
{
    __m128 ab = _mm_hadd_ps(v_quarter(a), v_quarter(b)), cd = _mm_hadd_ps(v_quarter(c), v_quarter(d));
    return _mm_hadd_ps(ab, cd);
}

INLINE float v_max_lanes(V a)
{
    return _mm512_reduce_max_ps(a);
}

/* Doubles: the low and the high half of V. */
INLINE VD vd_zero(void)
{
    return _mm512_setzero_pd();
}

INLINE VD vd_set(double x)
{
    return _mm512_set1_pd(x);
}

INLINE VD vd_low(V a)
{
    return _mm512_cvtps_pd(_mm512_castps512_ps256(a));
}

INLINE VD vd_high(V a)
{
    return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1));
}

INLINE V vd_join(VD low, VD high)
{
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm512_cvtpd_ps(low)), _mm512_cvtpd_ps(high), 1);
}

INLINE VD vd_add(VD a, VD b)
{
    return _mm512_add_pd(a, b);
}

INLINE VD vd_fma(VD a, VD b, VD c)
{
    return _mm512_fmadd_pd(a, b, c);
}

INLINE double vd_sum(VD a)
{
    return _mm512_reduce_add_pd(a);
}

/* Rows and columns exchanged in place: r[i] lane j <-> r[j] lane i. */
INLINE void v_transpose(V r[VL])
{
    V t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {
        for (int h = 0; h < 2; h++) {
            __m512d a = _mm512_castps_pd(t[i + h]), b = _mm512_castps_pd(t[i + 2 + h]);
            r[i + 2 * h] = _mm512_castpd_ps(_mm512_unpacklo_pd(a, b));
            r[i + 2 * h + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(a, b));
        }
    }
    for (int i = 0; i < 16; i += 8) {
        for (int j = 0; j < 4; j++) {
            t[i + j] = _mm512_shuffle_f32x4(r[i + j], r[i + 4 + j], 0x88);
            t[i + 4 + j] = _mm512_shuffle_f32x4(r[i + j], r[i + 4 + j], 0xdd);
        }
    }
    for (int j = 0; j < 8; j++) {
        r[j] = _mm512_shuffle_f32x4(t[j], t[8 + j], 0x88);
        r[8 + j] = _mm512_shuffle_f32x4(t[j], t[8 + j], 0xdd);
    }
}

/* The first `terms` lanes of vectors as rows `stride` apart, each of `rows` <= VL values: one of every vector. r is used up. */
INLINE void v_store_transposed(float *to, size_t stride, V r[VL], size_t rows, size_t terms)
{
    v_transpose(r);
    for (size_t t = 0; t < terms; t++)
        v_store_n(to + t * stride, r[t], rows);
}

#endif
