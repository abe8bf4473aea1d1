/*
 * The loop of vlrm-update over batches: records are taken, a batch is closed, a step is taken, what a run keeps is kept. What a
 * step does is in learner.h, what is kept in state.h, how ranks go together in team.h.
 */
#ifndef UPDATE_TRAINING_H
#define UPDATE_TRAINING_H

#include "stage/groups.h"
#include "stage/machine.h"
#include "stream/filter.h"
#include "update/run/config.h"
#include "update/on_policy.h"
#include "update/run/pace.h"
#include "update/run/recorder.h"
#include "update/team.h"
#include "update/run/tensorboard.h"

/* As given. */
typedef struct UpdateOptions {
    const char *run, *init, *replay, *dump, *tensorboard, *record, *scratch;
    LearnerOptions learner;
    Machine machine;
    int64_t batch, patience, spool_memory, keep, keep_every, keep_batches, checkpoint_every, max_steps;
    OnPolicyRules policy;
    CollapseLimits limits;
    bool stop_on_collapse, change_options, prepare, nccl;
} UpdateOptions;

/* The loop's state. */
typedef struct Training {
    const UpdateOptions *options; /* borrowed, as the program is */
    const Program *program;
    Filter filter;
    Learner *learner;
    Team team;
    Run run;
    Batch batch;
    TensorBoard tensorboard;
    Recorder recorder;
    Packer upstream;               /* the raw header that the batch being read came under */
    int64_t index;                 /* of the batch being read */
    int64_t repeated;              /* ids refused because they had been consumed */
    int64_t repeated_all, crossed; /* the same of all ranks, and those that several of them had */
    uint64_t in_batch;             /* data records since the last batch record */
    GroupCut cut;                  /* the group of the last of them */
    Digest init;                   /* digest of --init's tensors; "" for none */
    json_t *inputs;                /* owned: the header's of what is recorded and kept */
    Changes changes;               /* of options since the steps before */
    Pace pace;
    const char *collapsing; /* the metric outside its limits in the step before; NULL for none */
    bool stopped, closed;   /* closed: nobody reads the metrics any more */
} Training;

/* Takes steps on the batches of the filter until there are none, or enough; all of it is open. */
void training_run(Training *t);

#endif
