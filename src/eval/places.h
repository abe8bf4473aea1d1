/* A table from 64-bit hashes to places: which image, which caption, which n-gram came before. */
#ifndef EVAL_PLACES_H
#define EVAL_PLACES_H

#include "base/base.h"

typedef struct Places {
    uint64_t *keys; /* owned: [mask + 1]; 0 is an empty slot */
    size_t *values; /* owned */
    size_t n, mask;
} Places;

/* The value under key; SIZE_MAX when there is none. */
size_t places_find(const Places *p, uint64_t key);

/* Adds key; false, changing nothing, when it is there already. */
bool places_add(Places *p, uint64_t key, size_t value);

void places_release(Places *p);

#endif
