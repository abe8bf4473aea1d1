/*
 * What of a reward is of its whole batch, Phi and parts standardised over it, where nobody before vlrm-update sees all of the
 * batch: several ranks each reward a part of it. The record then carries CLIP's two vectors, its reward says what is still to
 * come (reward.deferred, formats/reward.md), and the learner completes it.
 */
#ifndef STAGE_DEFERRED_H
#define STAGE_DEFERRED_H

#include "stream/stream.h"
#include "tensor/kernels.h"

typedef struct Deferred {
    bool phi, standardise;    /* what is to come */
    const real *image, *text; /* [cols], of length 1; NULL without Phi */
    size_t cols;
} Deferred;

/* Packs it as the field `deferred` of a map that has begun. */
void deferred_pack(Packer *p, const Deferred *d);

/* Reads reward.deferred; vectors are in the arena. FIELD_MISSING: the reward is whole. FIELD_WRONG with err set. */
MUST_USE Field deferred_read(Deferred *out, const Record *r, Arena *arena, Error *err);

/* Packs the record's `reward` group as it is once complete: with these sim, Phi (NAN: none) and n returns, and nothing deferred.
 */
void deferred_complete(Packer *p, const Record *r, double sim, double phi, const double *returns, size_t n);

#endif
