/* A run folder as its stages and its metrics tell of it: RUN/status/STAGE.json (formats/status.md), RUN/metrics.jsonl. */
#ifndef TOP_RUN_H
#define TOP_RUN_H

#include <jansson.h>

#include "base/base.h"

enum { STAGES_MAX = 16, STEPS_KEPT = 512 };

typedef struct Stage {
    char *name;     /* owned: of the file, without .json */
    json_t *status; /* owned */
} Stage;

typedef struct Run {
    const char *folder;
    Stage stages[STAGES_MAX]; /* in the order of the pipe */
    size_t n_stages;
    json_t *steps[STEPS_KEPT]; /* owned: the last lines of metrics, the newest last */
    size_t n_steps;
    int64_t read;  /* bytes of metrics.jsonl that have been read: whole lines */
    int64_t until; /* where reading ends for now; 0: with the file */
} Run;

/* Looks anew. The steps that metrics have gained are behind those known; *gained is how many they are. False: a file is there
 * that is none of these (STATUS_CORRUPT, STATUS_MISMATCH) or the folder is no run's (STATUS_EMPTY, unless it may be one yet). */
MUST_USE bool run_look(Run *run, bool may_be_empty, size_t *gained, Error *err);

/* Steps in the first `bytes` bytes of the metrics (negative: those that are there already) are not gained: only the last few are
 * kept, to be drawn. */
MUST_USE bool run_skip(Run *run, int64_t bytes, Error *err);

/* Frees what it owns. */
void run_release(Run *run);

/* A number in nested objects, "memory.resident"; NAN where it is none. */
double number_at(const json_t *object, const char *path);

/* A text, or NULL. */
const char *text_at(const json_t *object, const char *key);

/* The stage of that name, or NULL. */
const Stage *stage_find(const Run *run, const char *name);

/* What it does: "computes", "ended", "gone" (it says nothing any more), or the stage that it waits for. */
const char *stage_waits_for(const Run *run, size_t i);

/* Seconds since something moved in it; 0 when it has ended. now: of the wall clock. */
double stage_still(const Stage *s, double now);

/* Whether all stages have ended or say nothing any more. */
bool run_ended(const Run *run);

/* Seconds a step on average over the last ten; NAN without any. */
double run_step_seconds(const Run *run);

/* Seconds until the run is done: NAN where that cannot be told. */
double run_eta(const Run *run);

/* Seconds since 1970. */
double wall_now(void);

#endif
