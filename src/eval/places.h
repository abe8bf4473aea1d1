/* Places under 64-bit hashes, the first of each kept: which image, which caption, which n-gram came before. */
#ifndef EVAL_PLACES_H
#define EVAL_PLACES_H

#include "base/base.h"
#include "base/hashmap.h"

typedef struct Places {
    HashMap map; /* place + 1, for 0 is what the map says of a hash that it does not have */
} Places;

/* The value under key; SIZE_MAX when there is none. */
size_t places_find(const Places *p, uint64_t key);

/* Adds key; false, changing nothing, when it is there already. */
bool places_add(Places *p, uint64_t key, size_t value);

/* How many keys there are. */
size_t places_count(const Places *p);

/* Frees what it holds; it is empty again. */
void places_release(Places *p);

#endif
