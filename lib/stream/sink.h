/* Bytes out: buffered, through zstd where asked; large pieces go from the caller's memory to the file without a copy. */
#ifndef STREAM_SINK_H
#define STREAM_SINK_H

#include <xxhash.h>

#include "base/base.h"

typedef struct Sink Sink;

/* Borrows fd. level 0: plain. */
Sink *sink_new(int fd, int level);
void sink_free(Sink *s);

/* False on failure; errno-like text in err, and sticky: later calls do nothing and return false. */
bool sink_write(Sink *s, const void *data, size_t n, Error *err);
bool sink_flush(Sink *s, Error *err);

/* Begins a segment: the digest starts anew, under zstd the opening seal is written. */
bool sink_begin(Sink *s, Error *err);

/* The xxh3-64 of all bytes since sink_begin. */
uint64_t sink_digest(Sink *s);

/* Ends the segment: closes the zstd frame and seals it; flushes. */
bool sink_end(Sink *s, Error *err);

#endif
