/* What scoring will take, from shapes alone (--plan). */
#ifndef REWARD_PLAN_H
#define REWARD_PLAN_H

#include "reward/scorers.h"
#include "stage/plan.h"

typedef struct Expected {
    size_t together,
        n_tokens;      /* captions that go through the models at once (--score-batch), each of its own image; their tokens */
    size_t waiting;    /* records that wait for their batch, with the captioner's features; 0: none does */
    double spool;      /* bytes of them that stay in memory */
    const char *model; /* that captioner's folder */
} Expected;

/* Begins the plan, and adds what these captions take; kernels: those that will compute. False with err set where a model cannot
 * be opened. */
MUST_USE bool scorers_plan(Plan *p, const ScorerOptions *options, const Kernels *kernels, const Expected *e, Error *err);

#endif
