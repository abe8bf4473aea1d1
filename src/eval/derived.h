/*
 * Metrics of a set that are no means over its images: ratios of sums, and BLEU. An image's row holds their parts, in columns
 * whose names begin with a dot and which no report shows; in a difference the baseline's parts stand beside them, under "~" and
 * the name.
 */
#ifndef EVAL_DERIVED_H
#define EVAL_DERIVED_H

#include "eval/metrics.h"

/* Whether a column is a part: not to be shown. */
bool column_is_part(const char *name);

/* The metric of that name; SIZE_MAX for one that is a mean. */
size_t derived_find(const char *name);

/* Its value by the sums (or means) of the columns of m; in a difference, run minus baseline. NAN where parts are missing. */
double derived_value(size_t derived, const Metrics *m, const double *sums);

#endif
