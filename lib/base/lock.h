/*
 * Locks on files that only one process may work on: flock(2), so that they end with the process, however it ends. Where the file
 * system has no locks, or the file is none (a pipe, a device), nothing is locked and all goes on.
 */
#ifndef BASE_LOCK_H
#define BASE_LOCK_H

#include <stdbool.h>

#include "base/msg.h"

/* Locks what fd is open on until the process ends or fd is closed; does not wait. False: err says who holds it. */
MUST_USE bool lock_take(int fd, const char *path, Error *err);

/*
 * Opens a file for writing, which is created where there is none and never cut, and locks it: when this returns, `path` names
 * what is locked, also where somebody has renamed another file to it meanwhile. The caller closes it. -1: err says why.
 */
int lock_open(const char *path, Error *err);

#endif
