/*
 * Gradients as integers, whose sum does not depend on the order of its terms: so any number of ranks comes to the same bits.
 *
 * After each block of captions the gradient g of every parameter is added as llrint(g 2^50) and is zero again. That has a quantum
 * of 9e-16 and a range of +-8192, for a block and for the sum over all ranks; beyond it, or where a gradient is not finite, the
 * step is refused.
 */
#ifndef UPDATE_FIXED_H
#define UPDATE_FIXED_H

#include "learn/parameters.h"
#include "ranks/ranks.h"

typedef struct FixedSum {
    int64_t *values;     /* owned, host memory: of all parameters of the set, one behind the other; NULL until it is needed */
    size_t n;            /* of them */
    real *host;          /* owned: a piece of a gradient on its way */
    const char *outside; /* the parameter that was out of range; NULL: none (borrowed) */
    double largest;      /* what it was, or its sum */
} FixedSum;

/* Nothing has been added. */
void fixed_begin(FixedSum *s, const Parameters *p);
void fixed_release(FixedSum *s);

/* Adds the set's gradients, and leaves zeros there. */
void fixed_take(FixedSum *s, const Parameters *p);

/* The sums over all ranks become the set's gradients. STATUS_CHECK, on every rank, where one was out of range on any. */
MUST_USE bool fixed_end(FixedSum *s, const Parameters *p, Ranks *ranks, Error *err);

#endif
