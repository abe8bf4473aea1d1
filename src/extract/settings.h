/*
 * The options of vlrm-extract, as given, and what is worked out of them.
 */
#ifndef EXTRACT_SETTINGS_H
#define EXTRACT_SETTINGS_H

#include "base/options.h"
#include "base/sandbox.h"

typedef enum Pick { PICK_FIRST, PICK_SPREAD, PICK_RANDOM } Pick;
typedef enum Retry { RETRY_NONE, RETRY_FAILED } Retry;

/* Every option, as given. */
typedef struct Settings {
    const char *list, *again, *coco, *root, *name, *size, *shard, *journal, *append, *shuffle, *without, *except;
    StringList split;
    double every, scene, deadline, black_share, blur_threshold;
    int64_t max, limit, quality, jobs, batch, zstd, seed, duplicate_distance, max_pixels, max_bytes;
    Pick pick;
    Retry retry;
    Sandbox sandbox;
    int encoding; /* of --encoding's choices */
    bool loop, resume, drop_black, drop_blur, drop_duplicates, dedup_all, dry_run, texts;
    /* worked out of them */
    bool encoding_given;
    int64_t shuffle_seed, shard_index, shards;
    int size_short, size_width, size_height; /* 0 where not asked for */
} Settings;

#endif
