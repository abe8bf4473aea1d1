/*
 * Equation 5: how much a caption and its image single each other out within their batch.
 *
 * s = image_i . text_j (cosines); d_i = softmax over images (s)_ii * softmax over texts (s)_ii; Phi = (d - mean) / std, std
 * unbiased.
 */
#ifndef STAGE_PHI_H
#define STAGE_PHI_H

#include "tensor/kernels.h"

/* images and texts: host, unit rows [n, cols]. phi [n]; one record alone has Phi 0, as has every record of a batch without
 * spread. */
void phi_compute(double *phi, const Kernels *kernels, const real *images, const real *texts, size_t n, size_t cols);

#endif
