/*
 * The media members of an archive (a WebDataset shard), each a source; a problem is a source too.
 */
#ifndef EXTRACT_TAR_H
#define EXTRACT_TAR_H

#include "extract/settings.h"
#include "extract/source.h"

typedef struct Tar Tar;
/* Takes the archive, which is opened. Waits for a FIFO's bytes as --deadline says; with --shuffle members are named but not read.
 */
Tar *tar_new(const SourceSettings *s, const Limits *limits, Source *archive);

/* The next member in the order of the file; false at the end. What goes wrong is a source with a problem, and the last. */
bool tar_next(Tar *a, Source *out);
void tar_free(Tar *a); /* NULL-safe */

/* Reads the member at source->at of the archive that it has open; a failure becomes its problem. */
void tar_load(Source *source, int64_t max_bytes);
/* Whether a path is an archive, told by how its name ends. */
bool is_archive(const char *path);

#endif
