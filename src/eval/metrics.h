/*
 * A table of values: one row for each image, one column for each metric; means, bootstrap intervals, and differences of two
 * tables. An image with several captions has the mean of theirs in its row, so that every image counts once.
 */
#ifndef EVAL_METRICS_H
#define EVAL_METRICS_H

#include "eval/places.h"

typedef struct Metrics {
    char **names;   /* owned: [n], "mrr", "r@1", "i2t.r@1", "cosine", "words", .. */
    char **ids;     /* owned: [units], the id of the image's first record; what two tables are paired by */
    double *values; /* owned: [units, n] */
    size_t n, units;
} Metrics;

typedef struct Interval {
    double mean, low, high;
} Interval;

void metrics_init(Metrics *m, size_t units, size_t n); /* names and ids are still NULL; values 0 */
void metrics_release(Metrics *m);

/* The column of a name; SIZE_MAX when there is none. */
size_t metrics_find(const Metrics *m, const char *name);

/*
 * Means and percentile bootstrap intervals of every column (Efron 1979): `resamples` draws of `units` rows with replacement, the
 * same rows for all columns. out [n]. The draw is a function of (seed, resample, position) alone (base/random.h).
 * level: 0.95. With resamples 0, low and high are the mean.
 */
void bootstrap(Interval *out, const Metrics *m, uint64_t seed, size_t resamples, double level);

/*
 * out = a - b, image by image, over the columns that both have, paired by id whatever the order; parts (derived.h) of both.
 * STATUS_MISMATCH if an id of one is not in the other.
 */
MUST_USE bool metrics_difference(Metrics *out, const Metrics *a, const Metrics *b, Error *err);

#endif
