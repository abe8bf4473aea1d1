/*
 * The pictures of a page: a thumbnail of each, once however many records show it. They are decoded and encoded again, so that
 * what a browser is given is what this suite has made.
 */
#ifndef PAGES_PICTURES_H
#define PAGES_PICTURES_H

#include <jansson.h>

#include "base/hashmap.h"
#include "stream/stream.h"

typedef struct Pictures {
    json_t *list;   /* owned: [{"w", "h", "jpeg": base64}] */
    HashMap places; /* by picture_key: place in list + 1; -1 where it could not be read */
    int size;       /* the longest side; smaller pictures stay as they are */
    size_t failed;  /* could not be read */
} Pictures;

/* No pictures yet, of at most `size` pixels. */
void pictures_init(Pictures *p, int64_t size);
void pictures_release(Pictures *p);

/* What tells a record's picture from others: of its bytes, or of the name of its file. 0 where it has none. */
uint64_t picture_key(const Record *r);

/* The place of a record's picture, which is added where it is new; -1 where it has none or it cannot be read (said once). */
int64_t pictures_add(Pictures *p, const Record *r);

/* Sets "picture" of an object to that place; nothing where there is none. */
void pictures_set(Pictures *p, json_t *object, const Record *r);

#endif
