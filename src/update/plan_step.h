/* What a step will take, from shapes alone (--plan). */
#ifndef UPDATE_PLAN_STEP_H
#define UPDATE_PLAN_STEP_H

#include "stage/plan.h"
#include "update/learner.h"

/*
 * Adds what a step on n captions of n_tokens takes beyond the parameters, each of an image of its own. l is a learner over an
 * idle table (tensor/kernels_idle.h), kernels are those that will compute. False with err set where the step cannot be taken.
 */
MUST_USE bool plan_step(Learner *l, Plan *p, const Kernels *kernels, size_t n, size_t n_tokens, Error *err);

#endif
