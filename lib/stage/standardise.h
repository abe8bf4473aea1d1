/*
 * Each part of the reward by itself less its mean, over its deviation, before parts are weighed and summed: so that one whose
 * numbers spread widely does not drown the others (GDPO: Liu et al., 2601.05242).
 */
#ifndef STAGE_STANDARDISE_H
#define STAGE_STANDARDISE_H

#include "stage/returns.h"

/* A caption's reward as one of its batch. */
typedef struct Rewarded {
    Reward reward;
    uint64_t group; /* hash of the name of its group */
    bool baseline;  /* it is only compared with */
    bool failed;    /* there is none: it counts in nothing */
} Rewarded;

typedef enum Standardise { STANDARDISE_NONE, STANDARDISE_BATCH, STANDARDISE_GROUP } Standardise;

/*
 * Sets the returns of all rewards that did not fail, in the arena: R(t_k) = sum over parts of w (x(k) - mean) / (std + 1e-4),
 * x(k) what the part gives from token k on, mean and unbiased std of x(1) over the captions of the batch, or of each group in it.
 * Captions that are only compared with do not count in them. A part whose std is up to 1e-6 is left out: there it says nothing.
 */
void rewards_standardise(Rewarded *items, size_t n, const Weights *w, Standardise scope, Arena *arena);

#endif
