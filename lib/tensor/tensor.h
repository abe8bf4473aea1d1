/*
 * Tensors: contiguous matrices, row-major, and nothing else. No strides, no broadcasting, no graph.
 *
 * Activations, gradients and trained parameters are `real`: float, or double in the double build, where every gradient is
 * checked. Frozen weights stay in the type they are stored in and where they lie (a mapped checkpoint).
 * The memory belongs to whoever made the tensor: the tape's stack, a checkpoint's mapping, or a set of parameters.
 */
#ifndef TENSOR_TENSOR_H
#define TENSOR_TENSOR_H

#include "base/base.h"

#ifdef VLRM_DOUBLE
typedef double real;
#define DTYPE_REAL DTYPE_F64
#else
typedef float real;
#define DTYPE_REAL DTYPE_F32
#endif

typedef enum DType { DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F64 } DType;

/* Bytes of one value; name as in safetensors ("F32", "F16", "BF16", "F64"). */
size_t dtype_size(DType type);
const char *dtype_name(DType type);

/* One value of any type as a double, and the nearest value of that type (round to nearest even). */
double dtype_load(DType type, const void *data, size_t i);
void dtype_store(DType type, void *data, size_t i, double value);

/* Convert n values between any two types; src and dst do not overlap. */
void dtype_convert(DType to, void *dst, DType from, const void *src, size_t n);

/* The same from bytes that may lie at any address: in a file, in a record. */
void dtype_convert_bytes(DType to, void *dst, DType from, const void *src, size_t n);

typedef struct Tensor {
    void *data;        /* rows * cols values of `type` */
    real *grad;        /* same shape; NULL: it has no memory. Backward passes add to it */
    size_t rows, cols; /* a vector is one row */
    DType type;        /* DTYPE_REAL for activations and trained parameters */
    bool grad_later;   /* a gradient is wanted, and gets its memory in the backward pass (tape.h: checkpointing) */
} Tensor;

/* The values of an activation or trained parameter. */
static inline real *tensor_data(const Tensor *t)
{
    return (real *)t->data; /* the cast is for C++, which nvcc compiles */
}

static inline size_t tensor_size(const Tensor *t)
{
    return t->rows * t->cols;
}

/* Rows first .. first + rows - 1 of an activation or trained parameter, and their gradient where that has its memory: a view. */
static inline Tensor tensor_rows(const Tensor *t, size_t first, size_t rows)
{
    Tensor part = *t;
    part.data = tensor_data(t) + first * t->cols;
    part.grad = t->grad ? t->grad + first * t->cols : NULL;
    part.rows = rows;
    return part;
}

#endif
