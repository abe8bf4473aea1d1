/* Images of records as files: vlrm-cat --save-images. */
#ifndef TOOLS_IMAGES_H
#define TOOLS_IMAGES_H

#include "media/image.h"
#include "stream/stream.h"

/* A record's picture as a file. */
typedef struct Picture {
    Buffer file;        /* owned: buffer_release */
    const char *ending; /* "jpg", "png", "webp", "ppm" for raw pixels */
} Picture;

/* The picture of a record: frame.image, or what the file at frame.path holds. False: it has none, or not one that can be read. */
MUST_USE bool picture_file(Picture *p, const Record *r, Error *err);

typedef struct ImageFolder {
    const char *path;      /* borrowed */
    size_t saved, without; /* records saved, and records without an image */
} ImageFolder;

/* Makes the folder where it is missing. */
MUST_USE bool images_open(ImageFolder *f, const char *path, Error *err);

/*
 * The file name of an id, without ending: letters, digits and "_~#+=@,:." stand for themselves, every other byte, and a first
 * "." or "-", as %XX. The empty id is "%". What would be longer than 200 bytes is cut at 180 and followed by "%~" and the
 * xxh3-64 of the id in hex. So a name has no "/", is never "." or "..", and two ids never share one. The caller frees it.
 */
char *image_name(Slice id);

/* Writes frame.image of the record under its id's name, with the ending that frame.encoding says (rgb becomes .ppm): whole or not
 * at all, in place of what had that name. */
MUST_USE bool images_save(ImageFolder *f, const Record *r, Error *err);

#endif
