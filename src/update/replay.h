/* Records written again: --record with values and advantages, and batches kept because a metric left its limits. */
#ifndef UPDATE_REPLAY_H
#define UPDATE_REPLAY_H

#include "base/options.h"
#include "update/learner.h"

typedef struct Recorder {
    Writer *out; /* owned; NULL when off */
    int fd;
    char *path; /* owned */
} Recorder;

/* A stream at path (NULL: off) of all consumed records with a `value` group (formats/value.md). */
__attribute__((warn_unused_result)) bool recorder_open(Recorder *r, const char *path, const Program *program, Error *err);
__attribute__((warn_unused_result)) bool recorder_write(Recorder *r, Batch *b, const StepReport *report, Error *err);
__attribute__((warn_unused_result)) bool recorder_close(Recorder *r, int status, Error *err);

/* Writes the batch's records as RUN/collapse/step-K.vlrm, a stream that vlrm-update reads again. */
__attribute__((warn_unused_result)) bool replay_keep(Batch *b, const char *run, int64_t step, Error *err);

#endif
