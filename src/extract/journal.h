/*
 * What is done and need not be done again: the journal, and the repair of a killed run's output by it.
 *
 * One JSON line for each source, formats/journal.md; with --dedup-all "looks" are hashes which a resumed run compares with. A
 * line is written after the source's last record was written and flushed, never before.
 */
#ifndef EXTRACT_JOURNAL_H
#define EXTRACT_JOURNAL_H

#include "extract/extract.h"

typedef struct Journal Journal;

/* Opens --journal for appending and locks it until it is closed; with --resume what it lists is read first. NULL on failure. */
Journal *journal_open(const Settings *s, Error *err);
void journal_close(Journal *j);

/* Whether the source is done (or failed and not to be retried). j may be NULL: then no. */
bool journal_lists(const Journal *j, const char *label);

/* Sums over the sources that journal_lists. */
typedef struct Vouched {
    int64_t frames, failed, filtered;
} Vouched;
Vouched journal_vouched(const Journal *j);

/* The perceptual hashes of the vouched sources' frames (--dedup-all): *n of them. The caller frees. */
uint64_t *journal_phashes(const Journal *j, size_t *n);

/* Vouches for a source; phashes is NULL without --dedup-all, else there are o->frames of them. */
MUST_USE bool journal_write(Journal *j, const Source *source, const Outcome *o, const uint64_t *phashes, Error *err);

/* Counts of the segment being written. */
typedef struct Totals {
    int64_t failed, filtered;
    int64_t in_batch, batches; /* --batch: records since the last batch record; batches closed */
    int64_t sources;
    bool cut;         /* asked to end before all was done */
    bool empty_stdin; /* stdin was a source and held nothing */
} Totals;

/* One data record was written: closes the batch when it is full. */
bool batch_count(const Settings *s, Writer *w, Totals *t);

/* Begins the segment of a run: the header. */
typedef bool (*Begin)(Writer *w);

/*
 * The writer of --append's FILE, header written; FILE is locked until the process ends. With --resume the file is first made
 * anew, under a temporary name, from its records whose sources the journal lists; so a kill in between loses nothing. `options`:
 * those in force, as a header has them. Dies when another process works on the file, when its header says other options
 * (STATUS_MISMATCH), and when it is not what the journal vouches for.
 */
Writer *append_open(const Settings *s, const Journal *j, const json_t *options, Begin begin, Totals *t);

/* Runs all sources; the header is written. False when writing failed (err). */
bool jobs_run(const Settings *s, Sources *sources, Journal *journal, Writer *w, Totals *t, Error *err);

#endif
