/*
 * Gradients as integers, whose sum does not depend on the order of its terms: so any number of ranks comes to the same bits.
 *
 * After each block of captions the gradient g of every parameter is added as llrint(g 2^50) and is zero again. That has a quantum
 * of 9e-16 and a range of +-8192, for a block and for the sum over all ranks; beyond it, or where a gradient is not finite, the
 * step is refused.
 *
 * The integers lie where gradients do. Ranks sum them on their devices where they can (ranks_use_devices), else through the host.
 */
#ifndef UPDATE_FIXED_H
#define UPDATE_FIXED_H

#include "learn/parameters.h"
#include "ranks/ranks.h"

typedef struct FixedSum {
    int64_t *values; /* owned, the table's memory: of all parameters of the set, one behind the other; NULL until it is needed */
    double *worst;   /* owned, the table's memory: of each parameter what was out of range; 0: nothing */
    int64_t *host;   /* owned: a piece on its way between ranks */
    size_t n;        /* values */
    int64_t most;    /* of one rank's sum, so that all together do not overflow */
} FixedSum;

/* Nothing has been added; so many ranks will be summed. */
void fixed_begin(FixedSum *s, const Parameters *p, size_t ranks);
void fixed_release(FixedSum *s, const Kernels *kernels);

/* Adds the set's gradients, and leaves zeros there. */
void fixed_take(FixedSum *s, const Parameters *p);

/* The sums over all ranks become the set's gradients. STATUS_CHECK, on every rank, where one was out of range on any. */
MUST_USE bool fixed_end(FixedSum *s, const Parameters *p, Ranks *ranks, Error *err);

#endif
