/*
 * JSON lines as records: each line becomes the msgpack value that a stream would hold. Lines without a header get one, and an end
 * record when the input ends; after a header the end line must come.
 */
#ifndef STREAM_LINES_H
#define STREAM_LINES_H

#include "stream/stream.h"

typedef struct Lines Lines;

typedef enum LineStatus { LINE_VALUE, LINE_NONE, LINE_FAILED } LineStatus;

/* Takes fd. */
Lines *lines_new(int fd);
void lines_free(Lines *l);

/* The next value, valid until the next call. NONE: the input ended. FAILED: err says why, without the line's number. */
LineStatus lines_next(Lines *l, Slice *value, Error *err);

/* Whether the file has nothing to read now; lines already taken from it may still come. */
bool lines_would_wait(const Lines *l);

/* The number of the line last read, from 1. */
uint64_t lines_number(const Lines *l);

#endif
