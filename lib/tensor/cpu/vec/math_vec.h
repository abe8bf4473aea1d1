/*
 * exp and erfc on vectors, to about one unit in the last place. Polynomials fitted for the purpose (least squares on Chebyshev
 * nodes, reweighted towards the least greatest error), coefficients rounded to f32. Included after vec_*.h.
 */
#ifndef TENSOR_CPU_VEC_MATH_VEC_H
#define TENSOR_CPU_VEC_MATH_VEC_H

#include "tensor/tensor.h"

/* c[0] + c[1] x + .. + c[n-1] x^(n-1) */
INLINE V v_polynomial(const float *c, int n, V x)
{
    V y = v_set(c[n - 1]);
    UNROLL_FOR (int i = n - 2; i >= 0; i--)
        y = v_fma(y, x, v_set(c[i]));
    return y;
}

/* e^x for x <= 88; 0 below -87.3 (where it would be denormal), NaN for NaN. */
INLINE V v_exp(V x)
{
    static const float c[] = {1, 1, 0.5f, 0.16666415f, 0.041666083f, 0.0083751287f, 0.0013956053f};
    const float least = -87.33f, most = 88.37f;
    V t = v_max(v_set(least), v_min(v_set(most), x));
    V n = v_nearest(v_mul(t, v_set(1.44269504f)));
    V r = v_fnma(n, v_set(0.693359375f), t); /* ln 2 in two parts: n times the first is exact */
    r = v_fnma(n, v_set(-2.12194442e-4f), r);
    return v_less(x, v_set(least), v_zero(), v_scale2(v_polynomial(c, 7, r), n));
}

/*
 * The standard normal's distribution function, (1 + erf(x / sqrt 2)) / 2, of n vectors; y is not x. Near 0 from erf(z) / z as a
 * polynomial in z^2; beyond, from log erfc(|z|), so that the tail keeps its relative precision. By steps: a polynomial is one
 * long chain, and only those of several vectors side by side keep the processor busy.
 */
INLINE void v_normal_cdf(V *y, const V *x, size_t n)
{
    static const float near[] = {1.1283792f,    -0.37612632f,   0.112836726f, -0.026858104f,
                                 0.0051977974f, -0.0008105966f, 8.215424e-05f};
    static const float far[] = {-0.00047678777f, 1.1310147f,     0.63015944f,    0.11207704f,    -0.02790562f,    0.0054733804f,
                                -0.00082111853f, 9.1408612e-05f, -7.259026e-06f, 3.8683086e-07f, -1.2350769e-08f, 1.7807102e-10f};
    const V root = v_set(0.707106781f), half = v_set(0.5f);
    for (size_t i = 0; i < n; i++)
        y[i] = v_polynomial(far, 12, v_min(v_set(9.2f), v_abs(v_mul(x[i], root))));
    for (size_t i = 0; i < n; i++)
        y[i] = v_mul(half, v_exp(v_sub(v_zero(), y[i])));
    for (size_t i = 0; i < n; i++) {
        V z = v_mul(x[i], root);
        V inner = v_fma(v_mul(v_polynomial(near, 7, v_mul(z, z)), z), half, half);
        V outer = v_less(z, v_zero(), y[i], v_sub(v_set(1), y[i]));
        y[i] = v_less(v_abs(z), v_set(0.95f), inner, outer);
    }
}

#endif
