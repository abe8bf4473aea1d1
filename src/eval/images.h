/*
 * CLIP's unit rows of images, each computed once, whoever's caption it has: kept by the digest of the image's bytes, in memory
 * and, with a cache folder, from one run to the next.
 *
 * The cache is one file for each CLIP (by the digest of its tensors) and number type; records of [digest, xxh3-64 of the row,
 * row], added at its end under a lock. A record whose row does not agree with its sum is not used, one cut short is overwritten.
 */
#ifndef EVAL_IMAGES_H
#define EVAL_IMAGES_H

#include "eval/places.h"
#include "stream/stream.h"
#include "tensor/tensor.h"

typedef struct Images {
    size_t cols, n, capacity;
    uint64_t *keys; /* owned: [n] */
    real *rows;     /* owned: [n, cols] */
    size_t key_capacity;
    Places places;
    char *path;                  /* owned: of the cache file; NULL without */
    const unsigned char *cached; /* owned: the mapped cache; NULL when empty */
    size_t cached_bytes, damaged;
    Places in_cache; /* record numbers in it */
    uint64_t from_cache, computed;
    bool *fresh; /* owned: [n], not in the cache yet */
    size_t fresh_capacity;
} Images;

/* folder NULL: no cache. model: what the rows depend on beside the image, part of the file's name. */
MUST_USE bool images_init(Images *s, size_t cols, const char *folder, const char *model, Error *err);
void images_release(Images *s);

/* The digest of a record's image: of its bytes as they stand in the record, or in the file it names. */
MUST_USE bool image_key(uint64_t *out, const Record *r, Error *err);

/* The place of an image; SIZE_MAX when it must be computed. */
size_t images_find(Images *s, uint64_t key);
size_t images_add(Images *s, uint64_t key, const real *row);

/* Row `place`; valid until the next images_find or images_add. */
const real *images_row(const Images *s, size_t place);

/* Adds to the cache file what was computed. */
MUST_USE bool images_save(Images *s, Error *err);

#endif
