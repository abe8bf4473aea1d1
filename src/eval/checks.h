/* What a run must reach: --fail-below NAME=VALUE, --fail-above NAME=VALUE, --max-drop [NAME=]VALUE. */
#ifndef EVAL_CHECKS_H
#define EVAL_CHECKS_H

#include "base/options/options.h"
#include "eval/metrics.h"

typedef enum CheckKind { CHECK_BELOW, CHECK_ABOVE, CHECK_DROP } CheckKind;

typedef struct Check {
    CheckKind kind;
    char name[64]; /* of a metric; empty: mrr and every r@K (CHECK_DROP) */
    double limit;
} Check;

/* Parses "name=value"; with CHECK_DROP the name may be missing. */
MUST_USE bool check_parse(Check *out, CheckKind kind, const char *text, Error *err);

/*
 * Appends to `said` ("; " between) what is wrong: found value, expected value. values [m->n]: means of the run, or its
 * differences from the baseline for CHECK_DROP. False with err (STATUS_USAGE) when no column has the name.
 */
MUST_USE bool check_apply(char **said, const Check *c, const Metrics *m, const Interval *values, Error *err);

#endif
