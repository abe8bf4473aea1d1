/*
 * A batch's bulk: numbered blobs, in memory up to a limit, past it in an unlinked temporary file.
 *
 * Memory is bounded by the limit, never by the batch: 4096 records with features are 3 GB.
 */
#ifndef STAGE_SPOOL_H
#define STAGE_SPOOL_H

#include "base/base.h"

typedef struct Blob {
    uint64_t offset, size;
    bool on_disk;
} Blob;

typedef struct Spool {
    char *memory; /* owned: blobs that fit, one after another */
    size_t used, capacity, limit;
    const char *folder; /* where the file goes; borrowed */
    int fd;             /* -1 until the first blob that does not fit */
    uint64_t written;   /* bytes in the file */
    Blob *blobs;        /* owned */
    size_t n, blob_capacity;
    char *buffer; /* owned: the blob last read from the file */
    size_t buffer_size;
} Spool;

/* An empty spool: blobs beyond memory_limit bytes wait in a file in `folder` (borrowed), made when it is first needed. */
void spool_init(Spool *s, const char *folder, size_t memory_limit);
void spool_release(Spool *s);

/* Forget all blobs; memory and file are kept for the next batch. */
void spool_reset(Spool *s);

/* Adds a blob; its number is the count before. False when the file cannot be written. */
MUST_USE bool spool_add(Spool *s, const void *data, size_t size, Error *err);

/* Blob i; valid until the next spool call. NULL on a read failure. */
const void *spool_get(Spool *s, size_t i, size_t *size, Error *err);

#endif
