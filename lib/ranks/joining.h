/* MPI waits without an end for ranks that have not begun; this gives that wait one. */
#ifndef RANKS_JOINING_H
#define RANKS_JOINING_H

typedef struct Joining Joining;

/* From now on a thread watches: when the wait has lasted for `patience` seconds (0: for ever), or for five after a signal that
 * asked this program to end (base/signals.h), it ends the program with a message, status STATUS_FAILURE or STATUS_INTERRUPTED. */
Joining *joining_begin(double patience);

/* All have come: the thread is gone, and what it had is freed. */
void joining_end(Joining *j);

#endif
