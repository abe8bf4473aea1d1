/* The uncompressed bytes of a stream: a file descriptor, through zstd where the magic says so. formats/envelope.md, "zstd". */
#ifndef STREAM_SOURCE_H
#define STREAM_SOURCE_H

#include "base/base.h"

typedef struct Source Source;

/* How long source_read may wait: for ever, until a signal asks the program to end, not at all. */
typedef enum Wait { WAIT_BLOCK, WAIT_SIGNAL, WAIT_NEVER } Wait;

typedef enum SourceStatus { SOURCE_DATA, SOURCE_EOF, SOURCE_FAILED, SOURCE_WAITING } SourceStatus;

/* Takes fd. */
Source *source_new(int fd);
void source_free(Source *s);

/* Up to `capacity` > 0 bytes into data. DATA: *n > 0 of them. WAITING: interrupted, or nothing there under WAIT_NEVER. */
SourceStatus source_read(Source *s, void *data, size_t capacity, size_t *n, Wait wait, Error *err);

/* Gives bytes back, to be looked at as the beginning of a stream: where a zstd stream follows a plain one. Plain sources only;
 * false when it is none. */
bool source_return(Source *s, const void *data, size_t n);

#endif
