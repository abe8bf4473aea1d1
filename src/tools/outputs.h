/*
 * What vlrm-cat makes of records besides lines and streams: lists and tables on stdout, and files that trainers read.
 */
#ifndef TOOLS_OUTPUTS_H
#define TOOLS_OUTPUTS_H

#include "base/options/options.h"
#include "tools/beside.h"
#include "tools/coco.h"
#include "tools/images.h"
#include "tools/shards.h"

typedef enum To { TO_AUTO, TO_STREAM, TO_JSON, TO_COCO, TO_CSV } To;

typedef struct Outputs {
    To to;
    StringList fields;  /* of CSV: borrowed */
    const char *images; /* --save-images; NULL for none */
    const char *prefix;
    const char *shard_folder; /* --webdataset; NULL for none */
    bool resume;
    Beside beside;
    Shards shards;
    CocoOut coco;
    ImageFolder image_folder;
    int64_t failed; /* records that could not be written as asked for */
    bool stop;      /* nothing more can be written */
} Outputs;

/* Opens folders and begins what is on stdout. Dies where that fails. */
void outputs_open(Outputs *o);

/* Writes a record. What fails is said and counted; o->stop when going on is of no use. */
void outputs_put(Outputs *o, const Record *r);

/* Ends what was begun, as `status` says how the input ended; the exit status, this one or a worse. */
int outputs_end(Outputs *o, int status);

#endif
