/*
 * Files mapped for reading. A mapping is of the file, not of what it held: who cuts the file short takes the pages away, and
 * reading them is then a signal (SIGBUS), which these turn into a message that names the file, and STATUS_CORRUPT.
 */
#ifndef BASE_MAPPED_H
#define BASE_MAPPED_H

#include <stdbool.h>
#include <stddef.h>

#include "base/msg.h"

/* Maps all of the regular file that fd has open, read-only; fd stays the caller's. An empty file gives NULL and *size 0. False
 * with err set on failure, without the file's name. path is for the message, and copied. */
MUST_USE bool mapped_open(const unsigned char **data, size_t *size, int fd, const char *path, Error *err);

/* Unmaps what mapped_open gave; NULL is fine. */
void mapped_close(const unsigned char *data, size_t size);

/* Gives the pages read so far back; they are clean, the page cache keeps them. */
void mapped_forget(const unsigned char *data, size_t size);

#endif
