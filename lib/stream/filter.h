/*
 * The frame of every stage: operands in turn (stdin when none), segments joined into one output segment, counts, progress, exit
 * status.
 *
 *   Filter f;
 *   filter_init(&f, &program, operands, n);         opens, reads the first header, writes ours with the upstream nested
 *   while (filter_next(&f, &record) ...)            RECORD_DATA and RECORD_BATCH only; output is flushed before blocking
 *       filter_write(&f, &record, "caption", &p);   or filter_failed(&f, &record, "why"), filter_drop(&f)
 *   return filter_finish(&f);                       end record, flush; the exit status
 *
 * A failed upstream or a cut input still lets the stage finish what it can: filter_next then ends, and filter_finish writes
 * an end record with that status and returns it.
 */
#ifndef STREAM_FILTER_H
#define STREAM_FILTER_H

#include "base/options.h"
#include "base/progress.h"
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
    Progress progress;
    json_t *extra; /* owned: header keys to add (filter_header_set) */
    bool began;
} Filter;

/* zstd_level < 0: this stage writes no stream. Signals are set up. Dies on operands that cannot be opened. */
void filter_init(Filter *f, const Program *program, char **operands, int n_operands, int zstd_level, const char *unit);

/* Adds a key to our header (steals value); must come before the first filter_next. */
void filter_header_set(Filter *f, const char *key, json_t *value);

/* The upstream header of the segment being read (borrowed); NULL before the first. */
json_t *filter_upstream(const Filter *f);

/* The next DATA or BATCH record; false at the end, on failure or when interrupted. */
bool filter_next(Filter *f, Record *r);

/* Forward r with one group added or replaced; forward as it is (group NULL). */
void filter_write(Filter *f, const Record *r, const char *group, const Packer *value);

/* Count r as failed and say so with its id; it is forwarded without our group. */
void filter_failed(Filter *f, const Record *r, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* Count a record as filtered: it is not forwarded. */
void filter_drop(Filter *f);

/* Records a status worse than those so far: from weak to strong 0, 3, 4, 75, 7, 1, 8, 6, 5. */
void filter_status(Filter *f, int status);

/* Ends the output; says "done N, failed M, filtered K" with -v or when something failed. Returns the exit status. */
int filter_finish(Filter *f);

#endif
