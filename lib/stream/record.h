/* One record out of a buffer: what the reader and record_parse share. */
#ifndef STREAM_RECORD_H
#define STREAM_RECORD_H

#include "stream/mp.h"

/* What parse_record needs between calls; `= {0}` and parser_release. */
typedef struct Parser {
    msgpack_zone *zone; /* owned: objects of the record parsed last */
    Group *groups;      /* owned */
    size_t capacity;
} Parser;

void parser_release(Parser *p);

/*
 * The record at data[0]: kind, id, groups, raw. End records give *end and where their digest's value begins (*digest_at) and its
 * text. MP_SHORT: more bytes are needed. MP_BAD: err says what was found.
 */
MpResult parse_record(Parser *p, const char *data, size_t size, Record *out, StreamEnd *end, size_t *digest_at, char digest[17],
                      Error *err);

#endif
