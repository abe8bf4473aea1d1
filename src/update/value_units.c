/* The units of values; see value_units.h. */
#include "update/value_units.h"

#include <math.h>

ValueUnits value_units(const LearnerOptions *o, const ReturnScale *scale)
{
    if (!o->value_normalise || !(scale->weight > 0))
        return (ValueUnits){0, 1};
    const double mean = scale->mean / scale->weight, variance = scale->square / scale->weight - mean * mean;
    return (ValueUnits){mean, sqrt(fmax(variance, 1e-8))};
}

ReturnScale return_scale_with(const ReturnScale *before, const Batch *b)
{
    const double decay = 0.95;
    double sum = 0, squares = 0;
    for (size_t k = 0; k < b->n_tokens; k++) {
        sum += b->returns[k];
        squares += b->returns[k] * b->returns[k];
    }
    return (ReturnScale){decay * before->mean + sum / (double)b->n_tokens, decay * before->square + squares / (double)b->n_tokens,
                         decay * before->weight + 1};
}
