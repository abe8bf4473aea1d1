/*
 * Small bundled models through every kernel table that this machine can run, held against what torch computed of them in float64
 * (share/doctor, made by tests/golden/models/make.sh and make_layers.py).
 */
#ifndef DOCTOR_GOLDEN_H
#define DOCTOR_GOLDEN_H

#include "doctor/check.h"
#include "tensor/kernels.h"

/*
 * One check for each part of each model (vision encoder, Q-Former, language model, ITM, CLIP), in the order in which one feeds
 * the next, so that the first that fails is where to look. A part is compared after each of its layers, as a model that ends
 * there, and a check that fails is called after the first layer that is wrong. bf16: products with weights in 16 bits are rounded
 * so, and the bound is wider.
 */
void golden_check(Checks *c, const char *folder, const Kernels *kernels, bool bf16);

#endif
