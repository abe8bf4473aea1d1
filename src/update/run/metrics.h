/* What one step is known by: a JSON object, one line of metrics.jsonl. */
#ifndef UPDATE_RUN_METRICS_H
#define UPDATE_RUN_METRICS_H

#include <jansson.h>

#include "update/learner.h"
#include "update/on_policy.h"

/* The object of one step (a new reference). */
json_t *metrics_json(const Learner *l, const Batch *b, const StepReport *r, int64_t batch_index, const Drift *drift,
                     double seconds);

#endif
