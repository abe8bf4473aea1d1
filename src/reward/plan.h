/* What scoring will take, from shapes alone (--plan). */
#ifndef REWARD_PLAN_H
#define REWARD_PLAN_H

#include "reward/scorers.h"
#include "stage/plan.h"

/*
 * Begins the plan, and adds what n captions of n_tokens take that go through the models together, each of an image of its own;
 * kernels: those that will compute. False with err set where a model cannot be opened.
 */
MUST_USE bool scorers_plan(Plan *p, const ScorerOptions *options, const Kernels *kernels, size_t n, size_t n_tokens, Error *err);

#endif
