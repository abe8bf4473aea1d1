/* The clock that durations and deadlines are told on. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

/* Seconds on the monotonic clock. */
double seconds_now(void);

/* Seconds of processor time that this thread has had: what others on the machine take is not in them. */
double seconds_of_thread(void);

#endif
