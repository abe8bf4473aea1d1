/* Initial values of parameters, drawn from counters: the same for any order of drawing and any number of threads. */
#ifndef LEARN_DRAW_H
#define LEARN_DRAW_H

#include "learn/parameters.h"

/* Value i becomes uniform in +-limit by (seed, name of the parameter, i). At most 2^32 values. */
void draw_uniform(const Parameters *p, Parameter *item, double limit, uint64_t seed);

/* Every value becomes `value`. */
void draw_constant(const Parameters *p, Parameter *item, double value);

#endif
