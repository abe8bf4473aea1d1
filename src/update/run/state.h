/*
 * Checkpoints: everything needed to go on, whole or not at all. formats/run.md says every file.
 *
 * The order at the end of a step makes a kill harmless at any moment: the policy folder appears, the consumed ids and metrics are
 * synced, the state folder appears, `latest` moves. A step whose state folder is missing is taken again.
 */
#ifndef UPDATE_RUN_STATE_H
#define UPDATE_RUN_STATE_H

#include <jansson.h>

#include "base/hash.h"
#include "update/collapse.h"
#include "update/run/config.h"
#include "update/run/consumed.h"
#include "update/learner.h"

typedef struct RunOptions {
    const char *folder;
    const char *scratch; /* where ranks but the first have a folder each, R; NULL: RUN/ranks */
    int64_t keep, keep_every, checkpoint_every, lag;
    size_t rank;      /* 0 writes the folder; another publishes its policies in its own, and reads the state alone */
    Changes *changes; /* borrowed: of options since the steps before */
} RunOptions;

typedef struct Run {
    RunOptions options;
    char *own, *policy, *state, *metrics_path, *consumed_path; /* owned; own: the folder itself, or that of the rank in it */
    json_t *numbers;                                           /* owned: the options that numbers depend on */
    int64_t next_batch;
    RunSigns signs; /* of the steps taken */
    int lock;       /* held while the run is open */
    FILE *metrics;  /* owned: metrics.jsonl, appended to */
    Consumed consumed;
    size_t settled;        /* ids consumed by the steps taken; those behind are of the batch being read */
    Digest settled_digest; /* of those ids */
    int64_t policy_step;   /* of which policy_digest is known */
    Digest policy_digest;
} Run;

/*
 * Opens or starts a run: locks it, takes up the newest complete state into the learner (parameters, moments, step), cuts
 * metrics and consumed ids to what it vouches for, publishes its policy. numbers (stolen): options that must not change on
 * resume, else STATUS_MISMATCH. What is not as it was written is STATUS_CORRUPT. Ranks but the first come after it has opened the
 * run: theirs are the lock and the policies of their own folder.
 */
MUST_USE bool run_open(Run *run, const RunOptions *options, json_t *numbers, Learner *l, Error *err);
void run_close(Run *run);

/* As run_open, of a state that was kept for replay (kept.h): it is taken up, and nothing of any run is opened, locked or written.
 */
MUST_USE bool run_open_kept(Run *run, const RunOptions *options, json_t *numbers, Learner *l, Error *err);

/* Writes the state that the learner is in into a folder; links to the files of its checkpoint, where it has one. */
MUST_USE bool run_keep_state(Run *run, Learner *l, const char *folder, Error *err);

/* The digest of the policy that this run has published as that step; NULL with err set. Valid until the next call. */
const char *run_policy(Run *run, int64_t step, Error *err);

/* After a step: policy, metrics line (borrowed) and, every checkpoint_every steps, consumed ids and the state. */
MUST_USE bool run_save(Run *run, Learner *l, const json_t *metrics, Error *err);

/* At the end of the input, or of the program: the state of the last step, if checkpoint_every has passed it over. */
MUST_USE bool run_finish(Run *run, Learner *l, Error *err);

#endif
