/*
 * One video or image on its way from its name to its frames: who fills in what. sources.h lists them, input.h reads them.
 */
#ifndef EXTRACT_SOURCE_H
#define EXTRACT_SOURCE_H

#include "base/base.h"

/* One video or image. Everything is owned. */
typedef struct Source {
    char *name;    /* begins the ids; unique in a pass */
    char *label;   /* frame.source and the journal's key */
    int64_t place; /* its number with the opener; for --shuffle's members, the archive's */
    bool opened;   /* then, owned: */
    int fd;        /* .. its descriptor */
    int spare;     /* .. and, when it is no regular file, an empty temporary file to copy it into; else -1 */
    uint8_t *data; /* the bytes of an archive's member */
    size_t size;
    char *shard; /* with --shuffle, instead of data: the archive that the member is in .. */
    int64_t at;  /* .. and where its header is */
    bool is_archive, is_stdin;
    char *path;        /* the opening process only: NULL for stdin and sources with a problem */
    bool regular_only; /* .. and whether data brought the name in, or a folder: then a FIFO or device is refused */
    char *problem;     /* why it cannot even be tried */
    bool doubtful;     /* its name is not that of a picture or video: its bytes must say whether it is one */
    bool done;         /* its work is there already (--without, --except): no record of it is wanted */
    bool texts;        /* the opening process only: what stands beside it is read */
    char **references; /* what people wrote of it */
    size_t n_references;
    char *meta;         /* what else is known of it: JSON, unchecked; or NULL */
    char *text_problem; /* what of the texts beside it could not be read */
    int64_t pass;       /* --loop: from 1 */
    int64_t bytes;      /* its length; -1 where it is no regular file (stdin, a FIFO) or is not known */
    int64_t mtime;      /* when its file, or its archive's, was last changed: nanoseconds since 1970 */
} Source;

/* Frees all of it and closes what is open; leaves an empty source. */
void source_release(Source *s);

/* Closes its descriptors; a source that is not opened stays as it is. */
void source_close(Source *s);

#endif
