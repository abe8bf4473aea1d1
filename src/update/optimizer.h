/*
 * From gradients to parameters: norms, clamping, Adam with linear warm-up, and when each of the two sets moves.
 *
 * The value head may be updated several times a step, and may learn alone for some steps before the policy moves: each set counts
 * its own updates, which Adam corrects its moments by.
 */
#ifndef UPDATE_OPTIMIZER_H
#define UPDATE_OPTIMIZER_H

#include "update/learner.h"

/* Whether the policy moves in the step to come (--critic-warmup). */
bool policy_moves(const Learner *l);

/* The norms of both sets and of each group into the report, and by what all gradients are scaled for --max-grad-norm. False, with
 * STATUS_CHECK, where a loss or a norm is not finite. */
MUST_USE bool optimizer_look(const Learner *l, StepReport *r, double *scale, Error *err);

/* Moves the policy, unless it waits for its critic. */
void optimizer_policy(const Learner *l, StepReport *r, double scale);

/* Update `k` (from 0) of the value in this step; after the first one its own norm is what is clamped. */
void optimizer_value(const Learner *l, size_t k, double scale);
double optimizer_value_scale(const Learner *l);

/* ---- how much the gradients of parts of a batch agree ---- */

typedef struct GradientSum {
    real **sums; /* owned: of each parameter of the policy */
    double norms;
} GradientSum;

void gradient_sum_init(GradientSum *s, const Learner *l);
/* Takes the policy's gradient, of one part, and leaves zero. */
void gradient_sum_take(GradientSum *s, const Learner *l);
/* The sum becomes the gradient. Returns norm of the mean over mean of the norms: 1 where all parts say the same, about 1 /
 * sqrt(parts) where they say nothing of each other; NAN where there is no gradient. */
double gradient_sum_end(GradientSum *s, const Learner *l);

#endif
