/*
 * What vlrm-cat prints as JSON lines: a value of a stream as it is, a batch record and an end record with what is true of the
 * lines printed.
 */
#ifndef TOOLS_ENVELOPE_H
#define TOOLS_ENVELOPE_H

#include "stream/stream.h"

/* Prints one value as a line on stdout. */
void line_put(Slice value, BinStyle bin);

/* Prints the batch record r, which closes this many of the records printed; without its digest, which is of the stream's bytes.
 */
void line_put_batch(const Record *r, int64_t records);

/* Prints the end of a segment of which this many records were printed: its end record r, or NULL where it did not come, with what
 * `end` says. whole: they are all, as they were, so that the digest stays. */
void line_put_end(const Record *r, StreamEnd end, int64_t records, bool whole);

/* What the end record r has beside what writer_end_with writes: a new reference; NULL where r is. */
json_t *end_extra(const Record *r);

#endif
