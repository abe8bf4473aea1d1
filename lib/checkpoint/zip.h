/*
 * The zip files that torch.save writes: entries stored as they are, found through the central directory, used where they lie.
 * (PKWARE APPNOTE 6.3, with zip64.) Compressed or encrypted entries are refused: torch never writes them.
 */
#ifndef CHECKPOINT_ZIP_H
#define CHECKPOINT_ZIP_H

#include "base/base.h"

typedef struct ZipEntry {
    const char *name; /* in the arena */
    const unsigned char *data;
    size_t size;
} ZipEntry;

/* All entries of a zip file in memory, in the arena. False with err set on anything that does not fit together. */
MUST_USE bool zip_read(const unsigned char *file, size_t size, Arena *arena, ZipEntry **entries, size_t *n, Error *err);

#endif
