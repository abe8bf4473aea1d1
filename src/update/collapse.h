/*
 * When a training is called collapsing: a metric outside fixed limits, or far from what it was in this run itself.
 *
 * What is compared is the median of the last COLLAPSE_STEPS steps, since single steps swing too far (a few bad captions treble
 * the value loss): that of the entropy with the median of the run's first steps; that of the value loss, which begins high
 * because values begin at 0, with the lowest that it has been.
 */
#ifndef UPDATE_COLLAPSE_H
#define UPDATE_COLLAPSE_H

#include <jansson.h>

#include "base/options/options.h"
#include "update/learner.h"

enum { COLLAPSE_STEPS = 10 };

/* 0 turns off any of those that compare with the run itself. */
typedef struct CollapseLimits {
    double min_entropy, min_length, max_value_loss;     /* nats, tokens, squared returns */
    double entropy_fall, entropy_rise, value_loss_rise; /* times what they were */
} CollapseLimits;

/* The rows of vlrm-update's option table that set them; limits: the CollapseLimits themselves. */
/* clang-format off */
#define COLLAPSE_OPTIONS(limits) \
    OPT_REAL("collapse-entropy", 0, &(limits).min_entropy, "0.05", 0, 100, "NATS", \
             "warn when the mean entropy of the policy falls below", .may_change = true), \
    OPT_REAL("collapse-length", 0, &(limits).min_length, "2", 0, 1e6, "TOKENS", \
             "warn when captions become shorter than this on average", .may_change = true), \
    OPT_REAL("collapse-value-loss", 0, &(limits).max_value_loss, "1000", 0, 1e30, "X", "warn when the value loss rises above", .may_change = true), \
    OPT_REAL("collapse-entropy-rise", 0, &(limits).entropy_rise, "1.5", 0, 1e6, "TIMES", \
             "warn when the entropy (median of 10 steps) rises above so many times that of the first 10; 0: off", .may_change = true), \
    OPT_REAL("collapse-entropy-fall", 0, &(limits).entropy_fall, "0.25", 0, 1, "TIMES", \
             "warn when that entropy falls below so many times the first; 0: off", .may_change = true), \
    OPT_REAL("collapse-value-loss-rise", 0, &(limits).value_loss_rise, "4", 0, 1e6, "TIMES", \
             "warn when the value loss (median of 10 steps) rises above so many times the lowest before; 0: off", .may_change = true)
/* clang-format on */

/* The signs of one step. */
typedef struct Signs {
    double entropy, length, value_loss; /* value_loss: NAN where there is no value */
} Signs;

/* Those of a run's first and last steps, and the lowest median that the value loss has had. */
typedef struct RunSigns {
    int64_t steps;                                     /* that were added */
    double lowest_loss;                                /* 0 until there are COLLAPSE_STEPS */
    Signs first[COLLAPSE_STEPS], last[COLLAPSE_STEPS]; /* last: a ring, step i is at i % COLLAPSE_STEPS */
} RunSigns;

/* What of a step, before parameters move, may tell a collapse. */
Signs signs_of(const Learner *l, const Batch *b, const StepReport *r);
void signs_add(RunSigns *run, Signs step);

/* As state.json has them (a new reference), and back: what an older file lacks begins anew. */
json_t *signs_json(const RunSigns *run);
RunSigns signs_from_json(const json_t *signs);

/* What is outside its limits. */
typedef struct Collapse {
    const char *metric; /* by its name in metrics.jsonl, always the same pointer; NULL: all is well */
    double found, limit;
    double times; /* limit is so many times what it was in this run; 0: a fixed limit */
} Collapse;

/* The first metric outside its limits, were `step` added to those of the run. */
Collapse collapse_find(const CollapseLimits *limits, const RunSigns *run, Signs step);

/* "entropy is outside its limits: ..", for people; the caller frees it. */
char *collapse_text(const Collapse *c);

/* The metric's name and that text into the metrics of the step, where something is outside its limits. */
void collapse_report(const Collapse *c, json_t *metrics);

#endif
