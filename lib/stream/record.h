/* A record out of its bytes: what the reader and record_parse share. */
#ifndef STREAM_RECORD_H
#define STREAM_RECORD_H

#include "stream/token.h"

/* A record of more groups is refused. */
enum { GROUPS_MAX = 4096 };

/*
 * Splits raw, one validated map of at most GROUPS_MAX pairs, into id and groups and tells its kind. out->groups has room for
 * every pair. A header or end record has its keys as groups.
 */
MUST_USE bool record_split(Slice raw, Record *out, Error *err);

#endif
