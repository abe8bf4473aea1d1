/*
 * Batches kept for replay: a step's records together with the state that they met, in a folder that needs nothing else of the
 * run. formats/run.md says every file. vlrm-update --replay takes such a step again.
 */
#ifndef UPDATE_RUN_KEPT_H
#define UPDATE_RUN_KEPT_H

#include "update/run/recorder.h"
#include "update/run/state.h"

/* RUN/batches: the last --keep-batches. RUN/collapse: the first COLLAPSES_KEPT that a metric left its limits at. */
#define KEPT_LAST "batches"
#define KEPT_COLLAPSE "collapse"

/*
 * Before a step moves any parameter: writes RUN/KIND/step-K of the step to come, whole or not at all, in place of one that is
 * there (a run that was killed takes a step twice). config (borrowed): its config.json, what --config takes back. Where the state
 * is on disk as a checkpoint its files are linked, and cost nothing more until that is pruned. Of several ranks all call it, and
 * rank 0 writes.
 */
MUST_USE bool kept_write(Run *run, const char *kind, Learner *l, Batch *b, const BatchOrigin *origin, json_t *config, Error *err);

/* As kept_write into RUN/collapse, unless there are enough. */
MUST_USE bool kept_collapse(Run *run, Learner *l, Batch *b, const BatchOrigin *origin, json_t *config, Error *err);

/* Removes those of RUN/batches but the last `keep` (0: none is removed), those past step `after` (-1: none), and left-overs. */
MUST_USE bool kept_prune(const Run *run, int64_t keep, int64_t after, Error *err);

#endif
