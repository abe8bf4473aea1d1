/* What vlrm-doctor finds: a check with its verdict, a number beside its bound, a sentence. */
#ifndef DOCTOR_CHECK_H
#define DOCTOR_CHECK_H

#include <jansson.h>

#include "base/base.h"

typedef struct Checks {
    json_t *list; /* owned: [{"check", "ok", "value", "bound", "says", "layers"}] */
    size_t failed;
    bool printing; /* a line for each as it is made */
} Checks;

/* An empty list. printing: lines on stdout. */
void checks_init(Checks *c, bool printing);
void checks_release(Checks *c);

/* Adds one. value and bound are NaN where there is none. */
void check_add(Checks *c, const char *name, bool ok, double value, double bound, const char *format, ...) PRINTF_LIKE(6, 7);

/* The values of the layers that the check added last is of: [n]. */
void check_layers(Checks *c, const double *values, size_t n);

#endif
