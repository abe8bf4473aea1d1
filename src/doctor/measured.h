/* How far a part of a model is from what torch computed in float64. */
#ifndef DOCTOR_MEASURED_H
#define DOCTOR_MEASURED_H

#include "checkpoint/checkpoint.h"
#include "doctor/check.h"
#include "tensor/tensor.h"

/* What is allowed, relative to the largest value: with weights of products as they are, and rounded to 16 bits. */
double measured_bound(bool bf16);

/* The largest difference of what was computed from what was expected, relative to the largest value; INFINITY for another size.
 */
double measured_error(const StoredTensor *expected, const Tensor *found);

/* One check of a part over a table of kernels, with the errors of its n > 0 layers; it is called after the first of them that is
 * wrong. values: of its result. */
void measured_add(Checks *c, const char *table, double bound, const char *part, const double *errors, size_t n, size_t values);

#endif
