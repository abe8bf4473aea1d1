/*
 * The ranks that train one run: whether they are at work on the same, when they step, and when they end. Alone (no launcher)
 * there is nothing of this.
 *
 * Rank 0 has the run folder as one alone would; the others read its state when they start, and have RUN/ranks/R for the policies
 * that their own rollouts follow. All learn the same, step for step, and prove it by digests.
 */
#ifndef UPDATE_TEAM_H
#define UPDATE_TEAM_H

#include <jansson.h>

#include "ranks/ranks.h"
#include "update/learner.h"

typedef struct Team {
    Ranks *ranks;  /* owned; NULL: alone */
    bool compared; /* the headers of the inputs have been */
} Team;

/* Joins the others, if a launcher has started us. patience: of every wait, in seconds. */
MUST_USE bool team_open(Team *t, int64_t patience, Error *err);
/* All have come to their end. */
void team_close(Team *t);

/* More than one rank. */
bool team_shared(const Team *t);
/* Whether we are the one that writes the run folder: rank 0, or alone. */
bool team_leads(const Team *t);

/* Before anything of the run is opened: whether all have the same build, options (borrowed) and models. Else STATUS_MISMATCH
 * naming a rank, what it has and what was expected. Rank 0 says how many they are, and warns of processors and of builds of one
 * version that differ. */
MUST_USE bool team_compare(Team *t, const json_t *options, const Learner *l, Error *err);

/* Gradients are summed from device to device from now on, where they can be (ranks_use_devices). wanted: as the user says. */
void team_use_devices(Team *t, const Kernels *kernels, bool wanted);

/* Holds the others until rank 0 has opened the run; what rank 0 did before this call, the others find done after it. */
void team_follow(Team *t);

/* Whether all have the same trained parameters, after so many steps. */
MUST_USE bool team_agree(Team *t, Learner *l, Error *err);

typedef enum Coming {
    COMING_BATCH,   /* a rank has its part of the next batch */
    COMING_NOTHING, /* its input has ended: of the batches that others still have, it has nothing */
    COMING_END,     /* it was interrupted, or its input is damaged: all end with this step */
} Coming;

/* What a rank says when it comes, and what comes of what all say. */
typedef struct Meeting {
    Coming coming;
    int64_t index;    /* of its batch */
    int64_t status;   /* as which it would end */
    int64_t repeated; /* ids that it has refused; the sum of all */
} Meeting;

/* Waits for all. *m becomes what is to be done: take a step on batch index; or end, with this status (COMING_NOTHING: the input
 * has ended, COMING_END: somebody must). STATUS_MISMATCH where ranks have come with different batches. */
MUST_USE bool team_meet(Team *t, Meeting *m, Error *err);

/* At the first batch: whether all inputs are made by the same stages, as far as headers tell. header: of ours, NULL where there
 * is none. */
MUST_USE bool team_compare_inputs(Team *t, const json_t *header, Error *err);

/* Adds `ranks` to a step's metrics (formats/metrics.md): all ranks call it. */
void team_report(Team *t, double seconds, Learner *l, json_t *metrics);

#endif
