/*
 * Records of one picture, which come one after the other (several captions of it: ids that end in ~1, ~2 ..), gathered: what is
 * written of them is one file, or one sample of a shard.
 */
#ifndef TOOLS_SAMPLE_H
#define TOOLS_SAMPLE_H

#include "media/image.h"
#include "stream/stream.h"

typedef struct Sample {
    Record first;     /* of them; in the arena */
    json_t *captions; /* owned: an array of {"text", "itm", "cosine"}; NULL: no record yet */
    Arena arena;      /* owned */
} Sample;

/* An id without the ~k of one of several captions. */
Slice picture_id(Slice id);

/* What a record calls its picture's file: frame.source, else frame.path; {NULL, 0} where it says neither. */
Slice picture_source(const Record *r);

/* Whether r is of the sample's picture; with by_source: of the same source, as all frames of a video are. */
bool sample_has(const Sample *s, const Record *r, bool by_source);

/* Adds a record; the first one is kept whole. Of a record without a caption nothing but that is kept. */
void sample_add(Sample *s, const Record *r);

/* The captions' texts, each with `prefix` before it, one a line; a line break within one becomes a blank. */
void sample_lines(const Sample *s, const char *prefix, Buffer *out);

/* Empties it; the memory is kept. */
void sample_reset(Sample *s);
void sample_release(Sample *s);

#endif
