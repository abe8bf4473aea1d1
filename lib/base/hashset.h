/* A growing set of 64-bit hashes. `= {0}` is empty. */
#ifndef BASE_HASHSET_H
#define BASE_HASHSET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HashSet {
    uint64_t *slots; /* owned; 0 is free (and counts as 1) */
    size_t count, capacity;
} HashSet;

/* False when the hash was there already. */
bool hashset_add(HashSet *h, uint64_t hash);
bool hashset_has(const HashSet *h, uint64_t hash);

/* Frees what it holds; it is empty again. */
void hashset_release(HashSet *h);

#endif
