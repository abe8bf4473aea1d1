/* Reads and writes of all bytes asked for: a signal (EINTR) or a short transfer is no failure, the rest follows. */
#ifndef BASE_IO_H
#define BASE_IO_H

#include <sys/types.h>

#include "base/base.h"

/* Writes all n bytes, to the file's own position. False with errno set: some may have been written. */
MUST_USE bool write_in_full(int fd, const void *data, size_t n);

/* As write_in_full, at byte `at`. */
MUST_USE bool pwrite_in_full(int fd, const void *data, size_t n, int64_t at);

/* Up to n bytes from byte `at` on: fewer only where the file ends. How many, or -1 with errno set. */
MUST_USE ssize_t pread_in_full(int fd, void *data, size_t n, int64_t at);

#endif
