/* In what units the value head speaks, with --value-normalise (MODEL.md, "Baselines"). */
#ifndef UPDATE_VALUE_UNITS_H
#define UPDATE_VALUE_UNITS_H

#include "update/learner.h"

/* V = mean + std v. */
typedef struct ValueUnits {
    double mean, std;
} ValueUnits;

/* By the scale of a step; mean 0 and std 1 where they are not asked for, or nothing has been seen. */
ValueUnits value_units(const LearnerOptions *o, const ReturnScale *scale);

/* The running scale with this batch's returns, each batch weighing a little more than the one before. */
ReturnScale return_scale_with(const ReturnScale *before, const Batch *b);

#endif
