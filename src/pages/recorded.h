/*
 * Captions with their rewards, out of streams: batches that a run has kept (RUN/batches, RUN/collapse), what vlrm-update --record
 * or vlrm-reward has written. Of many frames those are shown whose pictures come first in the order of their hashes: a sample in
 * which the same pictures are found again at every step.
 */
#ifndef PAGES_RECORDED_H
#define PAGES_RECORDED_H

#include "pages/set.h"
#include "text/tokenizer.h"

/* A stream, and which run it is of. */
typedef struct Recorded {
    const char *path;
    size_t run;
} Recorded;

/* Adds the captions of at most `most` frames of n streams to the set. tokenizers: one for each run, NULL where there is none. */
void recorded_read(FrameSet *set, Pictures *pictures, const Recorded *streams, size_t n, Tokenizer *const *tokenizers,
                   size_t most, Notes *notes);

#endif
