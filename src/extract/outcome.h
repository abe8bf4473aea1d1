/*
 * What comes of a source: its frames one by one, and in the end what is to be said of it.
 */
#ifndef EXTRACT_OUTCOME_H
#define EXTRACT_OUTCOME_H

#include "base/hash.h"
#include "media/video.h"
#include "stream/stream.h"

/* One record ready to be written. */
typedef struct ExtractedFrame {
    char *id;       /* owned */
    Packer frame;   /* owned: the group's value */
    uint64_t phash; /* perceptual hash, when duplicates are dropped across the stream */
} ExtractedFrame;

/* What became of a source. */
typedef struct Outcome {
    VideoReport report;
    VideoGaps gaps; /* owned: all that is wrong with a video */
    int64_t frames, filtered;
    Digest digest; /* the source's; empty where it could not be read everywhere */
} Outcome;

/* Takes the frame; false when no more is wanted. */
typedef bool (*Emit)(void *context, ExtractedFrame *extracted);

#endif
