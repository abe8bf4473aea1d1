/* Small models of the other families (share/doctor/families, made by tests/golden/models/make_families.py), as golden.h has
 * BLIP-2's. */
#ifndef DOCTOR_FAMILIES_H
#define DOCTOR_FAMILIES_H

#include "doctor/check.h"
#include "tensor/kernels.h"

/* One check for each part of each: captioners' connector and log-probabilities of captions, scorers' images and texts, matching
 * models' logits, language models' log-probabilities. folder: the one that golden_check takes. */
void families_check(Checks *c, const char *folder, const Kernels *kernels, bool bf16);

#endif
