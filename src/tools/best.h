/*
 * The best of several captions of one picture: of the records that follow one another and are of the same picture, the one whose
 * number at a path is largest.
 */
#ifndef TOOLS_BEST_H
#define TOOLS_BEST_H

#include "stream/stream.h"

typedef struct Best {
    Slice raw; /* owned: the best so far; its data is NULL for none */
    double value;
    Arena arena, given; /* owned: of the record in raw; of the one handed out last */
    Record record;
} Best;

/* Takes a record. True: it is of another picture, and *done, valid until the next call, was the best of the one before. A record
 * without the number is worse than any with one; of equals the first stays. */
bool best_take(Best *b, const char *path, const Record *r, Record *done);

/* The best of the picture read last; false where there is none. Frees what is held by the next call or best_release. */
bool best_end(Best *b, Record *done);
void best_release(Best *b);

#endif
