/*
 * Files that appear whole or not at all: written without a name where the file system can (O_TMPFILE), else under a temporary one
 * beside the target, fsync'ed, then given the name. Temporary names are PATH.writing-PID-RANDOM, made only where nothing stands
 * and no link is followed; whoever is killed while one exists leaves it behind (steps.h removes such).
 */
#ifndef BASE_FILE_H
#define BASE_FILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "base/msg.h"

typedef struct AtomicFile {
    FILE *stream;         /* write here; NULL once committed or aborted */
    char *path, *writing; /* owned: the final name and the temporary one; writing is NULL while the file has no name */
} AtomicFile;

/* Opens a file that is to be path. What stands there now must be a regular file, or a link to one (the link is replaced). */
MUST_USE bool atomic_open(AtomicFile *f, const char *path, Error *err);

/* Flush, fsync, rename, fsync the folder. On failure the temporary is removed and what stood at path is untouched. */
MUST_USE bool atomic_commit(AtomicFile *f, Error *err);

/* As atomic_commit, without waiting for the disk: whole or not there after a kill, but not after a power cut. */
MUST_USE bool atomic_place(AtomicFile *f, Error *err);

/* Drop what was written. Harmless after atomic_commit. */
void atomic_abort(AtomicFile *f);

/* Write size bytes to path, whole or not at all. */
MUST_USE bool file_write(const char *path, const void *data, size_t size, Error *err);

/* The whole file as a new zero-terminated string (*size without the zero); NULL on failure. The caller frees it. */
char *file_read(const char *path, size_t *size, Error *err);

/* As file_read, for names that data brought in: only a regular file (neither waits on a pipe nor reads /dev/zero for ever) of at
 * most `most` bytes. */
char *file_read_regular(const char *path, size_t most, size_t *size, Error *err);

/* A name beside path that nobody has guessed: path.writing-PID-RANDOM. The caller frees it. */
char *writing_name(const char *path);

/* Makes a new folder of such a name, for what is to be renamed to path once it is whole. NULL on failure; the caller frees it. */
char *writing_folder(const char *path, Error *err);

/* mkdir -p. */
MUST_USE bool folder_make(const char *path, Error *err);

/* Makes renames and new names in this folder durable. */
MUST_USE bool folder_sync(const char *path, Error *err);

/* "a/b" from "a" and "b"; the caller frees it. */
char *path_join(const char *folder, const char *name);

/* share/NAME of the installation or of the source tree this program was built in; the caller frees it. VLRM_SHARE overrides. */
char *share_path(const char *name);

#endif
