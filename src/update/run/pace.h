/* How far a run is, for whoever looks at it (base/progress.h): steps, the records of the batch to come, seconds a step. */
#ifndef UPDATE_RUN_PACE_H
#define UPDATE_RUN_PACE_H

#include "base/base.h"

typedef struct Pace {
    int64_t step, steps; /* taken; the last one to take, 0: not known */
    int64_t batch;       /* records of a batch: as asked for, else as the one before had; 0: not known */
    double since;        /* when the step before was done, or all was open */
} Pace;

/* All is open, `step` steps have been taken. batch: --batch. */
void pace_begin(Pace *p, int64_t step, int64_t steps, int64_t batch);

/* Record n of batch `index` is here; counts: the batch is for a step that is still to be taken. */
void pace_record(const Pace *p, int64_t index, int64_t n, bool counts);

/* Seconds since the step before was done. */
double pace_seconds(const Pace *p);

/* A step on a batch of n records was taken. */
void pace_step(Pace *p, int64_t step, int64_t n);

#endif
