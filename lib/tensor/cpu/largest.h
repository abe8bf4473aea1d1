/* The k largest of values that come one after the other. */
#ifndef TENSOR_CPU_LARGEST_H
#define TENSOR_CPU_LARGEST_H

#include <math.h>

#include "tensor/tensor.h"

/* Largest first, of equals the one that came first. */
typedef struct Largest {
    real *values; /* [k], the first n are filled in */
    int32_t *ids;
    size_t n, k;
} Largest;

static inline void largest_add(Largest *l, real value, int32_t id)
{
    if (l->n == l->k ? !(value > l->values[l->k - 1]) : isnan(value))
        return;
    size_t at = l->n < l->k ? l->n++ : l->k - 1;
    for (; at > 0 && value > l->values[at - 1]; at--) {
        l->values[at] = l->values[at - 1];
        l->ids[at] = l->ids[at - 1];
    }
    l->values[at] = value;
    l->ids[at] = id;
}

/* Places left over hold -INFINITY and id 0. */
static inline void largest_end(Largest *l)
{
    for (; l->n < l->k; l->n++) {
        l->values[l->n] = -INFINITY;
        l->ids[l->n] = 0;
    }
}

#endif
