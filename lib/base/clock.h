/* The clock that durations and deadlines are told on. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Seconds on the monotonic clock. */
double seconds_now(void);

#endif
