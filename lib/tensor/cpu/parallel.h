/* How kernels share work among the threads of the pool: in parts that depend on sizes alone, never on timing. */
#ifndef TENSOR_CPU_PARALLEL_H
#define TENSOR_CPU_PARALLEL_H

#include "tensor/tensor.h"

/* Consecutive values given to one thread at a time by elementwise kernels, and a share of n of them. */
enum { ELEMENTS_PER_PART = 16384 };

/* y[i] = f(a[i], b[i], c) for a run of values: the form of every elementwise kernel. Unused arguments are NULL or 0. */
typedef void ElementRun(real *y, const real *a, const real *b, double c, size_t n);

/* Splits n values over the threads. */
void elements_run(ElementRun *run, real *y, const real *a, const real *b, double c, size_t n);

/* Calls row(context, i) for each i < rows, of cols values each, split over the threads by as many values. */
typedef void RowRun(const void *context, size_t i);
void rows_run(RowRun *row, const void *context, size_t rows, size_t cols);

/*
 * Splits n units into parts of equal size (the last may be smaller), a multiple of `grain`, at most `most` each, as many parts
 * as keep all threads busy. Returns the size of a part; part p is p*size .. min(n, (p+1)*size)-1.
 */
size_t part_size(size_t n, size_t grain, size_t most);

#endif
