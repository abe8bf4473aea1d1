/*
 * A growing map from 64-bit hashes to numbers; a hash that is not in it has 0. `= {0}` is empty.
 *
 * Why not a library: the keys here are hashes already, in sixteen bytes a slot, and that takes sixty lines. uthash adds a header
 * of 56 bytes to each item and stb_ds an index beside the items, and both hash the key again; GLib would be one more library for
 * every program to load.
 */
#ifndef BASE_HASHMAP_H
#define BASE_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct HashSlot {
    uint64_t hash; /* 0 is free (and counts as 1) */
    int64_t number;
} HashSlot;

typedef struct HashMap {
    HashSlot *slots; /* owned */
    size_t count, capacity;
} HashMap;

/* The hash's number, which is put into the map with 0 where it is new. Valid until the next call. */
int64_t *hashmap_at(HashMap *m, uint64_t hash);

/* The hash's number; 0 where it is not in the map. */
int64_t hashmap_get(const HashMap *m, uint64_t hash);

/* As a set: puts the hash in with number 1; false when it had a number already. */
bool hashmap_add(HashMap *m, uint64_t hash);

/* Frees what it holds; it is empty again. */
void hashmap_release(HashMap *m);

#endif
