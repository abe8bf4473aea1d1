/*
 * What one step is known by: a JSON object, one line of metrics.jsonl; and the limits whose crossing is called a collapse.
 */
#ifndef UPDATE_METRICS_H
#define UPDATE_METRICS_H

#include <jansson.h>

#include "update/learner.h"
#include "update/on_policy.h"

/* The object of one step (a new reference). */
json_t *metrics_json(const Learner *l, const Batch *b, const StepReport *r, int64_t batch_index, const Drift *drift,
                     double seconds);

typedef struct CollapseLimits {
    double min_entropy, min_length, max_value_loss; /* nats, tokens, squared returns */
} CollapseLimits;

/* The first metric outside its limits, by name; NULL when all is well. */
const char *metrics_collapse(const json_t *metrics, const CollapseLimits *limits);

#endif
