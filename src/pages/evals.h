/*
 * Evaluations of a run by step, as `vlrm cron-eval --out DIR` leaves them: DIR/NAME/step-N.{json,jsonl,vlrm} of the run NAME,
 * DIR/base/ step--1.* of the captioner before training. step-N.truth.json, where it is, is vlrm-world-score's report of the same
 * captions.
 */
#ifndef PAGES_EVALS_H
#define PAGES_EVALS_H

#include "pages/set.h"

typedef struct EvalStep {
    int64_t step;
    char *stem; /* owned: the path without its ending */
} EvalStep;

typedef struct Evals {
    EvalStep *steps; /* owned, in order of steps */
    size_t count, capacity;
} Evals;

/* Finds those of the run `name` in dir; where only one run is shown, dir itself or its only folder may be that run's. */
MUST_USE bool evals_find(Evals *e, const char *dir, const char *name, bool only, Error *err);
void evals_release(Evals *e);

/* [{"step", "metrics": {name: [mean, low, high]}, "truth": {path: number}}], one for each step (a new reference). */
json_t *evals_reports(const Evals *e, Notes *notes);

/*
 * What changed from the first step to the last: {"from", "to", "words": words_changed, "frames": [[place, cosine before,
 * after]]} (a new reference); NULL where there are not two. The first `most` frames, and those whose cosine moved most, are added
 * to the set.
 */
json_t *evals_changes(const Evals *e, FrameSet *set, size_t most, Notes *notes);

/* Adds the captions of the set's frames at every step to the set, as those of run number `run`. */
void evals_captions(const Evals *e, FrameSet *set, size_t run, Notes *notes);

/* Adds the pictures of the set's frames, from a stream of frames or captions. */
void evals_pictures(FrameSet *set, Pictures *pictures, const char *stream, Notes *notes);

/* The first stream of captions among the steps; the caller frees it. NULL where there is none. */
char *evals_stream(const Evals *e, Notes *notes);

#endif
