/* The losses of a batch: each caption's with its gradient, and their sums in the order of captions, whoever has computed what. */
#ifndef UPDATE_LOSSES_H
#define UPDATE_LOSSES_H

#include "update/learner.h"

/* Sums over captions. */
typedef struct Losses {
    double policy, all, kl; /* without and with the terms of entropy and divergence; the divergence, over tokens */
} Losses;

/* Adds the policy's losses of one caption to the sums. gradient: with respect to the log-probability of each of its tokens. */
void caption_losses(Losses *sums, double *gradient, const LearnerOptions *o, const Batch *b, const StepReport *r,
                    const Episode *e);

/* The report's losses, from its values, log-probabilities and entropies of the whole batch. */
void losses_of_values(StepReport *r, const Batch *b);
void losses_of_policy(StepReport *r, const LearnerOptions *o, const Batch *b);

#endif
