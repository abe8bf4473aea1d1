/*
 * What is done and need not be done again.
 *
 * One JSON line for each source, formats/journal.md; with --dedup-all "looks" are hashes which a resumed run compares with. A
 * line is written after the source's last record was written and flushed, never before.
 */
#ifndef EXTRACT_JOURNAL_H
#define EXTRACT_JOURNAL_H

#include "extract/outcome.h"
#include "extract/settings.h"
#include "extract/source.h"

typedef struct Journal Journal;

/* Opens --journal for appending and locks it until it is closed; with --resume what it lists is read first. with_phashes: each of
 * its sources must have the hashes of its frames. NULL on failure. */
Journal *journal_open(const OutputSettings *s, bool with_phashes, Error *err);

/* As it is, only read; it may be missing. NULL on failure. */
Journal *journal_look(const OutputSettings *s, Error *err);
void journal_close(Journal *j);

/* Whether the source is done (or failed and not to be retried). j may be NULL: then no. */
bool journal_lists(const Journal *j, const char *label);

/* What a source that is complete was when it was done, as far as its line says. */
typedef struct Was {
    int64_t bytes, mtime; /* -1: not said */
    Digest digest;        /* empty: not said */
} Was;
Was journal_was(const Journal *j, const char *label);

/* Sums over the sources that journal_lists. */
typedef struct Vouched {
    int64_t frames, failed, filtered;
} Vouched;
Vouched journal_vouched(const Journal *j);

/* The perceptual hashes of the vouched sources' frames (--dedup-all): *n of them. The caller frees. */
uint64_t *journal_phashes(const Journal *j, size_t *n);

/* Vouches for a source; phashes is NULL without --dedup-all, else there are o->frames of them. */
MUST_USE bool journal_write(Journal *j, const Source *source, const Outcome *o, const uint64_t *phashes, Error *err);

#endif
