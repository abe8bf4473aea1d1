/*
 * --again: records name sources, and the sources are opened once more (again_source.c); what is made anew is held against what
 * the record says, key by key (again.c).
 */
#ifndef EXTRACT_AGAIN_H
#define EXTRACT_AGAIN_H

#include "base/hash.h"
#include "extract/input.h"
#include "extract/settings.h"
#include "extract/tar.h"

/* A source that a record names, open for as long as the records that follow name the same. `= {0}` is none. */
typedef struct Reopened {
    const SourceSettings *s; /* borrowed; relative names lie below its root */
    const Limits *limits;
    char *label;   /* owned: the name; NULL when nothing is open */
    Source source; /* owned, as all that follows */
    Input in;
    Digest digest;
    Tar *tar; /* the shard of the member that was opened last, read up to it */
    char *shard;
} Reopened;

/*
 * Opens what `label` (a record's frame.source) names: a regular file or the member of a shard. A name may have been made unique
 * by
 * "(N)", and its bytes written %XX: of several that it can mean the first that is there is taken, of a shard's members of one
 * name the first whose digest is `digest` (empty: the first). Waits no longer than `until`. False: err says why.
 */
MUST_USE bool reopen(Reopened *o, const char *label, const char *digest, double until, Error *err);

/* Whether that source is open already, so that reopen leaves it as it is. */
bool reopened_is(const Reopened *o, const char *label, const char *digest);

/* Closes the source, so that the next reopen opens it anew; the shard stays where it is. */
void reopened_close(Reopened *o);
void reopened_release(Reopened *o);

/* Makes the frames of the records in a file anew, in a stream compressed by zstd's level; the exit status. frames: the defaults.
 */
int again_run(const char *file, const SourceSettings *s, const FrameSettings *frames, const Limits *limits, int zstd,
              const Program *program);

#endif
