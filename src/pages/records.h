/* Records for pages, out of streams and of JSON lines alike: which of both a file is, its first byte tells. */
#ifndef PAGES_RECORDS_H
#define PAGES_RECORDS_H

#include "stream/stream.h"

/* Given each data record. False ends the reading, which is no failure. */
typedef bool RecordEach(void *context, const Record *r);

/*
 * Calls each for the data records of a file, or of stdin ("-": a stream, or with `lines` JSON lines), until a signal asks to end.
 * The status of the input: its end records', STATUS_INTERRUPTED, or what reading it failed with, which err then says.
 */
int records_each(const char *path, bool lines, RecordEach *each, void *context, Error *err);

#endif
