/*
 * --status-file: the account of progress.h as a file of JSON (formats/status.md), written whole once a second.
 *
 * It is a small process of its own that writes: it looks at memory shared with the program, so the file says how the program is
 * while that computes for an hour, waits, is stopped, or may open no file any more (sandbox.h). It ends with the program: one
 * that ends by itself waits until the file says so, of one that is killed it says so a moment later.
 */
#ifndef BASE_STATUS_H
#define BASE_STATUS_H

#include "base/base.h"

/* Writes the file for the first time and starts the process. To be called once, while there is one thread and before
 * sandbox_confine. */
MUST_USE bool status_publish(const char *path, Error *err);

#endif
