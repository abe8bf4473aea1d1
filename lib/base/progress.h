/* The progress line on stderr, only when that is a terminal: count, rate, ETA, and the stage's own figure. */
#ifndef BASE_PROGRESS_H
#define BASE_PROGRESS_H

#include <stdint.h>

typedef struct Progress {
    const char *unit;        /* "frames" */
    double started, printed; /* seconds, monotonic */
    uint64_t total;          /* 0 when unknown */
    int shown;               /* 0 when stderr is no terminal */
} Progress;

/* Begins a count of `unit`s (borrowed), of `total`, 0 when unknown. Shows nothing unless stderr is a terminal. */
void progress_init(Progress *p, const char *unit, uint64_t total);

/* Says that `done` units are done; prints at most ten times a second. extra is the stage's own figure, or NULL. */
void progress_update(Progress *p, uint64_t done, const char *extra);

/* Clears the line. */
void progress_end(Progress *p);

#endif
