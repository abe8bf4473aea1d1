/* Number types of tensors and conversion between them; see tensor.h. Every rounding is to nearest, ties to even. */
#include "tensor/tensor.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *name;
    size_t size;
} types[] = {[DTYPE_F32] = {"F32", 4}, [DTYPE_F16] = {"F16", 2}, [DTYPE_BF16] = {"BF16", 2}, [DTYPE_F64] = {"F64", 8}};

size_t dtype_size(DType type)
{
    return types[type].size;
}

const char *dtype_name(DType type)
{
    return types[type].name;
}

static inline uint32_t bits_of(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static inline float float_of(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static inline float from_bf16(uint16_t h)
{
    return float_of((uint32_t)h << 16);
}

static inline uint16_t to_bf16(float x)
{
    uint32_t u = bits_of(x);
    uint32_t rounded = (u + 0x7fff + (u >> 16 & 1)) >> 16;
    uint32_t nan = u >> 16 | 0x40; /* quiet, payload cut */
    return (uint16_t)((u & 0x7fffffff) > 0x7f800000 ? nan : rounded);
}

/* Subnormal halves are made by a float subtraction, not by scaling a subnormal float: denormals are flushed in our threads. */
static inline float from_f16(uint16_t h)
{
    uint32_t magnitude = (uint32_t)(h & 0x7fff) << 13, sign = (uint32_t)(h & 0x8000) << 16;
    uint32_t normal = magnitude + (112u << 23), special = magnitude + (224u << 23);
    uint32_t subnormal = bits_of(float_of(magnitude + (113u << 23)) - float_of(113u << 23));
    uint32_t u = magnitude >= 0x7c00u << 13 ? special : magnitude < 0x0400u << 13 ? subnormal : normal;
    return float_of(u | sign);
}

static inline uint16_t to_f16(float x)
{
    uint32_t u = bits_of(x), magnitude = u & 0x7fffffff, sign = u >> 16 & 0x8000;
    uint32_t h;
    if (magnitude > 0x7f800000)
        h = 0x7e00 | (magnitude >> 13 & 0x3ff);
    else if (magnitude >= 0x477ff000) /* 65520, halfway between the largest half and the next power of two */
        h = 0x7c00;
    else if (magnitude < 113u << 23) /* below 2^-14: adding 1/2 rounds at the weight of the last bit of a subnormal half */
        h = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    else
        h = (magnitude - (112u << 23) + 0xfff + (magnitude >> 13 & 1)) >> 13;
    return (uint16_t)(h | sign);
}

/*
 * A float that rounds to any narrower type as the double would: inexact values get an odd last bit, so that they are never taken
 * for a tie (Boldo and Melquiond, "Emulation of FMA and correctly rounded sums", 2008).
 */
static inline float to_odd(double x)
{
    float f = (float)x;
    if (isnan(x) || (double)f == x)
        return f;
    uint32_t u = bits_of(f);
    if (fabs((double)f) > fabs(x))
        u--;
    return float_of(u | 1);
}

double dtype_load(DType type, const void *data, size_t i)
{
    switch (type) {
    case DTYPE_F32:
        return ((const float *)data)[i];
    case DTYPE_F16:
        return from_f16(((const uint16_t *)data)[i]);
    case DTYPE_BF16:
        return from_bf16(((const uint16_t *)data)[i]);
    case DTYPE_F64:
        return ((const double *)data)[i];
    }
    bug("number type %d is unknown", (int)type);
}

void dtype_store(DType type, void *data, size_t i, double value)
{
    switch (type) {
    case DTYPE_F32:
        ((float *)data)[i] = (float)value;
        return;
    case DTYPE_F16:
        ((uint16_t *)data)[i] = to_f16(to_odd(value));
        return;
    case DTYPE_BF16:
        ((uint16_t *)data)[i] = to_bf16(to_odd(value));
        return;
    case DTYPE_F64:
        ((double *)data)[i] = value;
        return;
    }
    bug("number type %d is unknown", (int)type);
}

/* The loops that carry whole matrices, simple enough for the compiler to vectorise. */
static void widen_to_f32(float *dst, DType from, const uint16_t *src, size_t n)
{
    if (from == DTYPE_BF16)
        for (size_t i = 0; i < n; i++)
            dst[i] = from_bf16(src[i]);
    else
        for (size_t i = 0; i < n; i++)
            dst[i] = from_f16(src[i]);
}

static void narrow_from_f32(uint16_t *dst, DType to, const float *src, size_t n)
{
    if (to == DTYPE_BF16)
        for (size_t i = 0; i < n; i++)
            dst[i] = to_bf16(src[i]);
    else
        for (size_t i = 0; i < n; i++)
            dst[i] = to_f16(src[i]);
}

void dtype_convert(DType to, void *dst, DType from, const void *src, size_t n)
{
    if (to == from) {
        if (n > 0)
            memcpy(dst, src, n * dtype_size(to));
    } else if (to == DTYPE_F32 && dtype_size(from) == 2) {
        widen_to_f32(dst, from, src, n);
    } else if (from == DTYPE_F32 && dtype_size(to) == 2) {
        narrow_from_f32(dst, to, src, n);
    } else {
        for (size_t i = 0; i < n; i++)
            dtype_store(to, dst, i, dtype_load(from, src, i));
    }
}

void dtype_convert_bytes(DType to, void *dst, DType from, const void *src, size_t n)
{
    const size_t unit = dtype_size(from);
    if ((uintptr_t)src % unit == 0 || to == from) {
        dtype_convert(to, dst, from, src, n);
        return;
    }
    _Alignas(8) char aligned[8192];
    for (size_t i = 0; i < n; i += sizeof aligned / 8) {
        size_t m = n - i < sizeof aligned / 8 ? n - i : sizeof aligned / 8;
        memcpy(aligned, (const char *)src + i * unit, m * unit);
        dtype_convert(to, (char *)dst + i * dtype_size(to), from, aligned, m);
    }
}
