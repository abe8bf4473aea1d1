/* Small models of the other families (share/doctor/families, made by tests/golden/models/make_families.py), as golden.h has
 * BLIP-2's. */
#ifndef DOCTOR_FAMILIES_H
#define DOCTOR_FAMILIES_H

#include "doctor/check.h"
#include "tensor/kernels.h"

/* One check for each part of each, after each of its layers (make_family_layers.py): of captioners the images, which are encoder
 * and connector, a Q-Former, the language model; of scorers images and texts; of matching models the encoder; language models.
 * folder: the one that golden_check takes. */
void families_check(Checks *c, const char *folder, const Kernels *kernels, bool bf16);

#endif
