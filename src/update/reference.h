/*
 * The base captioner beside the one in training, for how far the policy has gone: the same weights but for the trained parts, of
 * which a copy is kept as the model has them. For a pass they change places; adapters are then off.
 */
#ifndef UPDATE_REFERENCE_H
#define UPDATE_REFERENCE_H

#include "learn/parameters.h"

typedef struct Reference {
    real **values; /* owned: of each parameter of the set, in order */
    size_t n;
} Reference;

/* Keeps the values that a set has now: a quarter of what it takes with gradients and moments. */
void reference_keep(Reference *r, const Parameters *p);
void reference_release(Reference *r, const Kernels *kernels);

/* Kept values and those of the set change places; again, and all is as it was. The set may have got more parameters since. */
void reference_swap(Reference *r, const Parameters *p);

#endif
