/*
 * Bytes of a stream: from a file descriptor, decompressed when they begin with zstd's magic, in one buffer that can be looked at.
 */
#ifndef STREAM_SOURCE_H
#define STREAM_SOURCE_H

#include "base/base.h"

typedef struct Source Source;

/* fd is closed by source_free if `owns`. */
Source *source_new(int fd, bool owns);
void source_free(Source *s);

/* The bytes not yet consumed. Valid until the next source_more. */
const char *source_data(const Source *s, size_t *size);
void source_consume(Source *s, size_t size);

typedef enum SourceResult {
    SOURCE_MORE,  /* there are more bytes than before */
    SOURCE_END,   /* the input is over, cleanly as far as the compression can tell */
    SOURCE_CUT,   /* a signal asks to end (only with `stop`) */
    SOURCE_ERROR, /* err says why */
} SourceResult;

/* Waits for more bytes. With stop, waiting ends when interrupted() becomes true. */
SourceResult source_more(Source *s, bool stop, Error *err);

/* Whether source_more would have to wait. */
bool source_would_block(const Source *s);

#endif
