/*
 * The frame of every stage: operands in turn (stdin when none), segments joined into one output segment, counts, progress, exit
 * status.
 *
 *   Filter f;
 *   filter_init(&f, &program, operands, n, ..);     looks at the operands, reads nothing yet
 *   while (filter_next(&f, &record) ...)            RECORD_DATA and RECORD_BATCH only; the first call reads the first header and
 *                                                   writes ours with it nested; output is flushed before blocking
 *       filter_write(&f, &record, "caption", &p);   or filter_failed(&f, &record, "why"), filter_drop(&f)
 *   return filter_finish(&f);                       end record, flush; the exit status
 *
 * The header we write holds the first header read as "upstream". When further segments follow (`cat a b`), those of their headers
 * that differ go into the end record as the array "upstreams" (at most 64; "upstreams_more" counts the rest), since our header is
 * long gone by then. A batch record's count is lowered by the records that were dropped.
 *
 * A failed upstream or a cut input still lets the stage finish what it can: filter_next then ends, and filter_finish writes
 * an end record with that status and returns it.
 */
#ifndef STREAM_FILTER_H
#define STREAM_FILTER_H

#include "base/options/options.h"
#include "stream/stream.h"

typedef struct Filter {
    const Program *program;
    char **operands;
    int n_operands, current; /* the operand being read */
    Reader *in;              /* owned */
    Writer *out;             /* owned; NULL when the stage writes no stream */
    int64_t failed, filtered, upstream_failed;
    uint64_t records; /* data records read */
    int status;       /* the worst so far, as the exit status will be */
    json_t *extra;    /* owned: header keys to add (filter_header_set) */
    bool began, reported;
    int64_t dropped;        /* records filtered out of the batch being read */
    json_t *first_upstream; /* owned: the first header read */
    Packer first_raw;       /* owned: the same as msgpack */
    json_t *upstreams;      /* owned: other headers, when segments are joined; they go into the end record */
    int64_t upstreams_more; /* headers beyond those kept */
} Filter;

/* The line of the option table that every stage has. `level` is an int64_t. */
#define FILTER_OPTION_ZSTD(level) \
    OPT_INT("zstd", 0, &(level), "0", 0, 19, "[LEVEL=3]", "compress the output; 0 is plain", .may_change = true)

/* zstd_level < 0: this stage writes no stream. Signals are set up. Dies on operands that cannot be opened. */
void filter_init(Filter *f, const Program *program, char **operands, int n_operands, int zstd_level, const char *unit);

/* Adds a key to our header (steals value); must come before the first filter_next. */
void filter_header_set(Filter *f, const char *key, json_t *value);

/* The upstream header of the segment being read (borrowed); NULL before the first. */
json_t *filter_upstream(const Filter *f);

/* The same as msgpack; {NULL, 0} before the first. Valid until the next filter_next. */
Slice filter_upstream_raw(const Filter *f);

/* What the end record of a stream made from this input says besides counts (a new reference): upstream_failed, upstreams, .. */
json_t *filter_end_keys(const Filter *f);

/* The next DATA or BATCH record; false at the end, on failure or when interrupted, whatever has been read already. */
bool filter_next(Filter *f, Record *r);

/* Forward r with one group added or replaced; forward as it is (group NULL). */
void filter_write(Filter *f, const Record *r, const char *group, const Packer *value);

/* Count r as failed and say so with its id; it is forwarded without our group. */
void filter_failed(Filter *f, const Record *r, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Ends the program, naming the record, where err is a mismatch (STATUS_MISMATCH): the record is fine, it was given to the wrong
 * model or beside another's. Other errors are left to the caller. */
void filter_refuse_mismatch(const Record *r, const Error *err);

/* Count a record as filtered: it is not forwarded. */
void filter_drop(Filter *f);

/* The worse of two exit statuses: from weak to strong 0, 3, 4, 75, 7, 141, 1, 8, 6, 5. */
int status_worse(int a, int b);

/* Records a status if it is worse than those so far. */
void filter_status(Filter *f, int status);

/* Ends the output; says "done N, failed M, filtered K" with -v or when something failed. Returns the exit status. */
int filter_finish(Filter *f);

#endif
