/*
 * The options of vlrm-extract by what they are about, and what is worked out of them. Each room is given its own.
 */
#ifndef EXTRACT_SETTINGS_H
#define EXTRACT_SETTINGS_H

#include "base/options/options.h"

typedef enum Pick { PICK_FIRST, PICK_SPREAD, PICK_RANDOM } Pick;
typedef enum Retry { RETRY_NONE, RETRY_FAILED } Retry;

/* What one source may cost. */
typedef struct Limits {
    double deadline; /* seconds; 0 for none */
    int64_t max_pixels, max_bytes;
} Limits;

/* Which sources there are, in which order, and which of them are ours: walk.c, coco.c, opener.c, sources.c, tar.c. */
typedef struct SourceSettings {
    const char *list, *coco, *root, *name, *without, *except;
    StringList split;
    int64_t shuffle_seed, shard_index, shards;
    bool texts, loop;
    bool shuffled;
    bool names_only; /* --dry-run: nothing is opened that need not be */
    bool done_too;   /* those whose work is done come as well: what looks like them must be known */
} SourceSettings;

/* Which frames of a source, and how they are stored: work.c, filters.c, still.c, again.c. */
typedef struct FrameSettings {
    double every, scene, black_share, blur_threshold;
    int64_t max, seed, quality, duplicate_distance;
    Pick pick;
    int encoding; /* of --encoding's choices */
    bool encoding_given;
    int size_short, size_width, size_height; /* 0 where not asked for */
    bool drop_black, drop_blur, drop_duplicates, dedup_all;
    bool passes; /* ids say the pass of --loop */
} FrameSettings;

/* What is written, and how a run that was killed goes on: append.c, journal.c. */
typedef struct OutputSettings {
    const char *journal, *append;
    bool resume;
    Retry retry;
    int64_t batch, zstd;
} OutputSettings;

#endif
