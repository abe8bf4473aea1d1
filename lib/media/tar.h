/*
 * Tar archives: libarchive's door. Read member by member from a descriptor, also through gzip, zstd, xz and bzip2; and written
 * plain (ustar, pax where a name or size needs it), the same bytes for the same members.
 */
#ifndef MEDIA_TAR_H
#define MEDIA_TAR_H

#include "media/image.h"

typedef struct TarReader TarReader;

/* A regular file among the members. */
typedef struct TarMember {
    const char *name; /* borrowed, until the next member */
    int64_t size;
    int64_t at; /* where its header begins, in a plain archive */
} TarMember;

typedef enum TarNext { TAR_MEMBER, TAR_END, TAR_BROKEN } TarNext;

/* Reads the archive that fd is open on, from where it is; fd is not closed. What is wrong shows at the first member. */
TarReader *tar_reader_new(int fd);
void tar_reader_free(TarReader *t); /* NULL-safe */

/* The next regular file; folders, links and devices are skipped. */
TarNext tar_reader_next(TarReader *t, TarMember *m);

/* The bytes of the member last given, of m->size, in place of what out held; memory grows with what comes. False where there are
 * fewer. */
MUST_USE bool tar_reader_data(TarReader *t, int64_t size, Buffer *out);

/* Whether members can be found again by their place: the archive is not compressed. Known after the first member. */
bool tar_reader_plain(const TarReader *t);

/* What is wrong with it, and where. The caller frees it. */
char *tar_reader_error(const TarReader *t);

typedef struct TarWriter TarWriter;

/* Writes to fd, which is not closed. */
TarWriter *tar_writer_new(int fd);

/* Adds a regular file. False: err says why. */
MUST_USE bool tar_writer_add(TarWriter *t, const char *name, const void *data, size_t size, Error *err);

/* Ends the archive and frees; false where that failed. */
MUST_USE bool tar_writer_end(TarWriter *t, Error *err);

#endif
