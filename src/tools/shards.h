/*
 * WebDataset shards: DIR/00000.tar, 00001.tar .., of samples KEY.jpg, KEY.txt, KEY.json; and beside each, last, NNNNN_stats.json,
 * as img2dataset writes them. formats/webdataset.md says every member. A shard has its name once it is whole.
 */
#ifndef TOOLS_SHARDS_H
#define TOOLS_SHARDS_H

#include "base/hashmap.h"
#include "media/tar.h"
#include "tools/sample.h"

typedef struct Shards {
    const char *folder, *prefix; /* borrowed */
    int64_t samples_most, bytes_most;
    Sample sample;                    /* owned: of the picture being read */
    int64_t number;                   /* of the shard that is written or comes next */
    TarWriter *tar;                   /* owned: NULL where no shard is begun */
    AtomicFile file;                  /* .. */
    int64_t samples;                  /* in it */
    int64_t bytes;                    /* .. */
    json_t *ids;                      /* owned: of the records in it */
    HashMap done;                     /* of ids in shards that were there: --resume */
    int64_t skipped, failed, written; /* records that were there; samples without picture; samples written */
    double began;
    int lock;
} Shards;

/* Makes the folder where it is missing and takes it; with resume, goes on behind the shards that have their stats. False: err
 * says why, for shards that are there without resume too. */
MUST_USE bool shards_open(Shards *s, bool resume, Error *err);

/* Takes a record; writes the sample before it when this is of another picture. False: nothing can be written any more. */
MUST_USE bool shards_take(Shards *s, const Record *r, Error *err);

/* Ends: the sample in hand and the last shard are written where `whole`, else dropped. Frees. */
MUST_USE bool shards_end(Shards *s, bool whole, Error *err);

#endif
