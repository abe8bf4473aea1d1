/* The account itself, for those two that look at it: the line (progress.c) and the status file (status.c). */
#ifndef BASE_PROGRESS_ACCOUNT_H
#define BASE_PROGRESS_ACCOUNT_H

#include "base/progress.h"

enum { PROGRESS_WARNINGS = 8, PROGRESS_TEXT = 400, PROGRESS_METRICS = 8192 };

typedef struct ProgressWarning {
    int64_t number; /* of all that the program gave, from 1; 0: none */
    double at;      /* seconds_now */
    char text[PROGRESS_TEXT];
} ProgressWarning;

/* The account. What is not known is -1, counts 0; times are those of seconds_now. */
typedef struct Progress {
    _Atomic double began, moved, waits_since;
    _Atomic int waits; /* a ProgressWait */
    _Atomic uint64_t read, written, failed;
    _Atomic double reached, goal, reached_first, goal_began; /* for the ETA, in any unit; goal 0: not known */
    _Atomic uint64_t phase_done, phase_total;                /* a phase has the ETA while it lasts; total 0: none */
    _Atomic double phase_began;
    _Atomic int64_t step, steps, batch, batch_records, batch_of, queue, queue_of, device_bytes;
    _Atomic int threads;
    _Atomic bool shown; /* a line is on the terminal */
    char unit[16], device[24], figure[64], phase[96];
    _Atomic unsigned texts;                      /* odd while what follows is written */
    ProgressWarning warnings[PROGRESS_WARNINGS]; /* a ring: warning n is at n % PROGRESS_WARNINGS */
    char metrics[PROGRESS_METRICS];              /* JSON; "" for none */
} Progress;

/* The account in force (borrowed). */
const Progress *progress_get(void);

/* From here on the account is kept in *where, which takes what there was: memory that is shared with another process. */
void progress_move(Progress *where);

/* Seconds until the goal at the pace so far; -1 where that cannot be told. */
double progress_eta(const Progress *p, double now);

#endif
