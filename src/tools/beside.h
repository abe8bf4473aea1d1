/*
 * Captions where trainers look for them: a text file beside each picture, of the same name but for its ending. One file for each
 * source: several captions, and captions of several frames of a video, are lines of it. A file is written whole or not at all.
 */
#ifndef TOOLS_BESIDE_H
#define TOOLS_BESIDE_H

#include "tools/sample.h"

typedef enum BesideKind { BESIDE_NONE, BESIDE_TXT, BESIDE_CAPTION, BESIDE_JSON } BesideKind;

typedef struct Beside {
    BesideKind kind;
    const char *prefix;                    /* before each caption; borrowed, "" for none */
    bool append, overwrite, skip_existing; /* what becomes of a file that is there; none of them: it is a failure */
    Sample sample;                         /* owned: of the source being read */
    int64_t written, kept, failed;         /* files; kept: was there and was skipped */
    int64_t in_row;                        /* failures since the last file written */
} Beside;

/* Takes a record; writes the source before it when this is another's. Failures are said and counted. False: so many in a row that
 * going on is of no use (a full disk, a folder that may not be written). */
bool beside_take(Beside *b, const Record *r);

/* Writes the last source, where all of it was read (`whole`), and frees. */
bool beside_end(Beside *b, bool whole);

#endif
