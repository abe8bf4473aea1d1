/*
 * The output of a run: counts, batches, and --append's file, which is repaired by the journal after a kill.
 */
#ifndef EXTRACT_APPEND_H
#define EXTRACT_APPEND_H

#include "extract/journal.h"
#include "stream/stream.h"

/* Counts of the segment being written. */
typedef struct Totals {
    int64_t failed, filtered;
    int64_t in_batch, batches; /* --batch: records since the last batch record; batches closed */
    int64_t sources;
    bool cut;         /* asked to end before all was done */
    bool empty_stdin; /* stdin was a source and held nothing */
} Totals;

/* One data record was written: closes the batch when it has `batch` of them (0: there are none). */
bool batch_count(int64_t batch, Writer *w, Totals *t);

/* What a run's header says. */
typedef struct Heading {
    json_t *params;     /* owned: the options in force */
    json_t *may_change; /* owned: those that leave the frames alone */
    json_t *inputs;     /* owned: --list and --coco, by digest */
} Heading;

/* Begins the segment of a run. */
bool heading_write(const Heading *h, Writer *w);

/*
 * The writer of --append's FILE, header written; FILE is locked until the process ends. With --resume the file is first made
 * anew, under a temporary name, from its records whose sources the journal lists; so a kill in between loses nothing. Dies when
 * another process works on the file, when its header says other options or another Karpathy file (STATUS_MISMATCH; a list may
 * have grown), and when it is not what the journal vouches for.
 */
Writer *append_open(const OutputSettings *s, const Journal *j, const Heading *heading, Totals *t);

#endif
