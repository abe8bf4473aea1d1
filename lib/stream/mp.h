/*
 * msgpack (https://github.com/msgpack/msgpack/blob/master/spec.md) as the stream library sees it: the extent of a value in bytes,
 * and one value as an object. The library msgpack-c does the parsing; it refuses nesting deeper than 32.
 */
#ifndef STREAM_MP_H
#define STREAM_MP_H

#include <msgpack.h>

#include "stream/stream.h"

typedef enum MpResult {
    MP_OK,
    MP_SHORT, /* the value goes on beyond the bytes given */
    MP_BAD,   /* no msgpack, or nested too deeply */
} MpResult;

/* A value at data[*at]; *at moves behind it. The object's strings and binaries point into data; arrays and maps live in zone. */
MpResult mp_next(const char *data, size_t size, size_t *at, msgpack_zone *zone, msgpack_object *out);

/* The head of a map at data[*at]: how many pairs follow. */
MpResult mp_map_head(const char *data, size_t size, size_t *at, size_t *pairs);

/* A new zone; dies without memory. */
msgpack_zone *mp_zone_new(void);

#endif
