/* The versions of zstd and msgpack-c. */
#ifndef STREAM_STREAM_LIBRARIES_H
#define STREAM_STREAM_LIBRARIES_H

#include "base/library.h"

enum { STREAM_LIBRARIES = 2 };

/* Fills all of them. One that is loaded fits where it is no older than the headers, of the same major version. */
void stream_libraries(Library out[STREAM_LIBRARIES]);

#endif
