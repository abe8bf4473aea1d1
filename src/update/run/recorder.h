/*
 * Batches as streams: --record, every consumed record with its values and advantages; and one batch in a file of its own, for
 * those that are kept (kept.h). Both are streams like any other: vlrm-update reads them again, in the same batches.
 */
#ifndef UPDATE_RUN_RECORDER_H
#define UPDATE_RUN_RECORDER_H

#include "base/options/options.h"
#include "update/learner.h"

/* Where a batch came from. */
typedef struct BatchOrigin {
    Slice upstream; /* the raw header of the input that it was read from; {NULL, 0} for none */
    int64_t index;  /* its number in the input */
    json_t *inputs; /* borrowed: the header's, what shapes values besides the records */
    Ranks *ranks;   /* borrowed: those that have read it; rank 0 writes it */
} BatchOrigin;

typedef struct Recorder {
    bool on;
    Writer *out; /* owned; NULL when off, and where another rank writes */
    const Program *program;
    json_t *inputs; /* borrowed: the header's */
    int fd;
    bool began; /* the header is written */
    char *path; /* owned */
} Recorder;

/* A stream at path (NULL: off; writes false: rank 0 writes it) of all consumed records with a `value` group (formats/value.md).
 * Its header comes with the first batch, since it has that of the input as "upstream". inputs (borrowed as long as r is open):
 * the header's. */
MUST_USE bool recorder_open(Recorder *r, const char *path, bool writes, const Program *program, json_t *inputs, Error *err);
MUST_USE bool recorder_write(Recorder *r, Batch *b, const StepReport *report, const BatchOrigin *origin, Error *err);

/* end: further keys of the end record (borrowed; filter_end_keys). */
MUST_USE bool recorder_close(Recorder *r, int status, json_t *end, Error *err);

/*
 * One batch as a stream in a file, whole or not at all, with everything that a step on it needs: an image that a record only
 * names by path is put into the record. params (borrowed): the header's. batch_file_help is what the other ranks do then.
 */
MUST_USE bool batch_file_write(const char *path, Batch *b, const BatchOrigin *origin, json_t *params, Error *err);
MUST_USE bool batch_file_help(Batch *b, const BatchOrigin *origin, Error *err);

#endif
