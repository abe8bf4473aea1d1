/* Vectors of 8 floats; see vec_avx512.h, which has the same names for 16. */
#ifndef TENSOR_VEC_H
#define TENSOR_VEC_H

#include <immintrin.h>
#include <string.h>

#include "tensor/tensor.h"

#define INLINE static inline __attribute__((always_inline))
#ifdef __clang__
#define UNROLL_FOR(...) _Pragma("clang loop unroll(full)") for (__VA_ARGS__)
#else
#define UNROLL_FOR(...) _Pragma("GCC unroll 16") for (__VA_ARGS__)
#endif
#define VEC_NAME(name) name##_avx2

typedef __m256 V;   /* VL floats */
typedef __m256d VD; /* VL / 2 doubles */
enum { VL = 8, VEC_REGISTERS = 16 };

INLINE V v_zero(void)
{
    return _mm256_setzero_ps();
}

INLINE V v_set(float x)
{
    return _mm256_set1_ps(x);
}

INLINE V v_load(const float *p)
{
    return _mm256_loadu_ps(p);
}

INLINE void v_store(float *p, V x)
{
    _mm256_storeu_ps(p, x);
}

/* The first n < VL values; the other lanes are zero, and are not stored. */
INLINE __m256i v_mask(size_t n)
{
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

INLINE V v_load_n(const float *p, size_t n)
{
    return _mm256_maskload_ps(p, v_mask(n));
}

INLINE void v_store_n(float *p, V x, size_t n)
{
    if (n >= VL) { /* _mm256_maskstore_ps takes forty times as long on some processors */
        _mm256_storeu_ps(p, x);
        return;
    }
    __m128 rest = _mm256_castps256_ps128(x);
    if (n & 4) {
        _mm_storeu_ps(p, rest);
        p += 4;
        rest = _mm256_extractf128_ps(x, 1);
    }
    if (n & 2) {
        memcpy(p, &rest, 2 * sizeof *p);
        p += 2;
        rest = _mm_movehl_ps(rest, rest);
    }
    if (n & 1)
        _mm_store_ss(p, rest);
}

INLINE __m128i v_halves_n(const uint16_t *p, size_t n)
{
    uint16_t lanes[8] = {0};
    memcpy(lanes, p, n * sizeof *p);
    return _mm_loadu_si128((const __m128i *)lanes);
}

INLINE V v_from_f16(__m128i h)
{
    return _mm256_cvtph_ps(h);
}

INLINE V v_from_bf16(__m128i h)
{
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(h), 16));
}

INLINE V v_load_f16(const uint16_t *p)
{
    return v_from_f16(_mm_loadu_si128((const __m128i *)p));
}

INLINE V v_load_bf16(const uint16_t *p)
{
    return v_from_bf16(_mm_loadu_si128((const __m128i *)p));
}

INLINE V v_load_f16_n(const uint16_t *p, size_t n)
{
    return v_from_f16(v_halves_n(p, n));
}

INLINE V v_load_bf16_n(const uint16_t *p, size_t n)
{
    return v_from_bf16(v_halves_n(p, n));
}

/* Each value to the nearest bf16 (even on ties), still as a float. */
INLINE V v_round_bf16(V x)
{
    __m256i b = _mm256_castps_si256(x);
    __m256i odd = _mm256_and_si256(_mm256_srli_epi32(b, 16), _mm256_set1_epi32(1));
    b = _mm256_add_epi32(b, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff)));
    b = _mm256_and_si256(b, _mm256_set1_epi32((int)0xffff0000));
    return _mm256_blendv_ps(_mm256_castsi256_ps(b), _mm256_set1_ps(__builtin_nanf("")), _mm256_cmp_ps(x, x, _CMP_UNORD_Q));
}

INLINE V v_add(V a, V b)
{
    return _mm256_add_ps(a, b);
}

INLINE V v_sub(V a, V b)
{
    return _mm256_sub_ps(a, b);
}

INLINE V v_mul(V a, V b)
{
    return _mm256_mul_ps(a, b);
}

INLINE V v_div(V a, V b)
{
    return _mm256_div_ps(a, b);
}

INLINE V v_sqrt(V a)
{
    return _mm256_sqrt_ps(a);
}

INLINE V v_fma(V a, V b, V c) /* a b + c */
{
    return _mm256_fmadd_ps(a, b, c);
}

INLINE V v_fnma(V a, V b, V c) /* c - a b */
{
    return _mm256_fnmadd_ps(a, b, c);
}

/* As maxps: the second where either is NaN. */
INLINE V v_max(V a, V b)
{
    return _mm256_max_ps(a, b);
}

INLINE V v_min(V a, V b)
{
    return _mm256_min_ps(a, b);
}

INLINE V v_abs(V a)
{
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}

/* |a| with the sign of b. */
INLINE V v_copysign(V a, V b)
{
    V sign = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(sign, a), _mm256_and_ps(sign, b));
}

/* a < b ? x : y */
INLINE V v_less(V a, V b, V x, V y)
{
    return _mm256_blendv_ps(y, x, _mm256_cmp_ps(a, b, _CMP_LT_OQ));
}

/* Bit i: lane i of a is greater than that of b. */
INLINE unsigned v_greater(V a, V b)
{
    return (unsigned)_mm256_movemask_ps(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}

/* The nearest whole number; and a * 2^n for whole n in [-126, 127]. */
INLINE V v_nearest(V a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}

INLINE V v_scale2(V a, V n)
{
    __m256i exponent = _mm256_add_epi32(_mm256_cvtps_epi32(n), _mm256_set1_epi32(127));
    return _mm256_mul_ps(a, _mm256_castsi256_ps(_mm256_slli_epi32(exponent, 23)));
}

/* Sums over all lanes, the same tree for each: of four vectors into four floats, and of one. */
INLINE __m128 v_quarter(V a)
{
    return _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
}

INLINE __m128 v_sum4(V a, V b, V c, V d)
{
    __m128 ab = _mm_hadd_ps(v_quarter(a), v_quarter(b)), cd = _mm_hadd_ps(v_quarter(c), v_quarter(d));
    return _mm_hadd_ps(ab, cd);
}

INLINE float v_max_lanes(V a)
{
    __m128 q = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    q = _mm_max_ps(q, _mm_movehl_ps(q, q));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
}

/* Doubles: the low and the high half of V. */
INLINE VD vd_zero(void)
{
    return _mm256_setzero_pd();
}

INLINE VD vd_set(double x)
{
    return _mm256_set1_pd(x);
}

INLINE VD vd_low(V a)
{
    return _mm256_cvtps_pd(_mm256_castps256_ps128(a));
}

INLINE VD vd_high(V a)
{
    return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1));
}

INLINE V vd_join(VD low, VD high)
{
    return _mm256_set_m128(_mm256_cvtpd_ps(high), _mm256_cvtpd_ps(low));
}

INLINE VD vd_add(VD a, VD b)
{
    return _mm256_add_pd(a, b);
}

INLINE VD vd_fma(VD a, VD b, VD c)
{
    return _mm256_fmadd_pd(a, b, c);
}

INLINE double vd_sum(VD a)
{
    __m128d h = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(h, _mm_unpackhi_pd(h, h)));
}

/* Rows and columns exchanged in place: r[i] lane j <-> r[j] lane i. */
INLINE void v_transpose(V r[VL])
{
    V t[8];
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(r[i], r[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(r[i], r[i + 1]);
    }
    for (int i = 0; i < 8; i += 4) {
        for (int h = 0; h < 2; h++) {
            r[i + 2 * h] = _mm256_shuffle_ps(t[i + h], t[i + 2 + h], 0x44);
            r[i + 2 * h + 1] = _mm256_shuffle_ps(t[i + h], t[i + 2 + h], 0xee);
        }
    }
    for (int j = 0; j < 4; j++) {
        t[j] = _mm256_permute2f128_ps(r[j], r[4 + j], 0x20);
        t[4 + j] = _mm256_permute2f128_ps(r[j], r[4 + j], 0x31);
    }
    for (int j = 0; j < 8; j++)
        r[j] = t[j];
}

/* Two lanes next to each other: the first ones, or the last. */
INLINE void v_store_pair(float *p, __m128 x, size_t last)
{
    if (last)
        x = _mm_movehl_ps(x, x);
    memcpy(p, &x, 2 * sizeof *p);
}

/* Six rows by fours and twos, within the halves of vectors: no store is of part of one, none crosses from half to half. */
INLINE void v_turn_six(float *to, V r[VL])
{
    V low01 = _mm256_unpacklo_ps(r[0], r[1]), high01 = _mm256_unpackhi_ps(r[0], r[1]);
    V low23 = _mm256_unpacklo_ps(r[2], r[3]), high23 = _mm256_unpackhi_ps(r[2], r[3]);
    V four[4] = {_mm256_shuffle_ps(low01, low23, 0x44), _mm256_shuffle_ps(low01, low23, 0xee),
                 _mm256_shuffle_ps(high01, high23, 0x44), _mm256_shuffle_ps(high01, high23, 0xee)};
    V two[2] = {_mm256_unpacklo_ps(r[4], r[5]), _mm256_unpackhi_ps(r[4], r[5])};
    UNROLL_FOR (size_t t = 0; t < 4; t++) {
        _mm_storeu_ps(to + 6 * t, _mm256_castps256_ps128(four[t]));
        _mm_storeu_ps(to + 6 * (t + 4), _mm256_extractf128_ps(four[t], 1));
        v_store_pair(to + 6 * t + 4, _mm256_castps256_ps128(two[t / 2]), t % 2);
        v_store_pair(to + 6 * (t + 4) + 4, _mm256_extractf128_ps(two[t / 2], 1), t % 2);
    }
}

/* The first `terms` lanes of vectors as rows `stride` apart, each of `rows` <= VL values: one of every vector. r is used up. */
INLINE void v_store_transposed(float *to, size_t stride, V r[VL], size_t rows, size_t terms)
{
    if (stride == 6 && rows == 6 && terms == VL) {
        v_turn_six(to, r);
        return;
    }
    v_transpose(r);
    for (size_t t = 0; t < terms; t++)
        v_store_n(to + t * stride, r[t], rows);
}

#endif
