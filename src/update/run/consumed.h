/*
 * Which record ids a run has consumed: each at most once, kills and resumes included.
 *
 * A set of xxh3-64 hashes in memory, and the same hashes appended to RUN/consumed (8 bytes each, little endian). A checkpoint
 * says how many of them are vouched for; what a killed run appended beyond that is cut off on resume.
 */
#ifndef UPDATE_RUN_CONSUMED_H
#define UPDATE_RUN_CONSUMED_H

#include "base/base.h"
#include "base/hashmap.h"

typedef struct Consumed {
    HashMap keys; /* owned: a set */
    size_t count;
    uint64_t digest; /* over the ids in their order, each hashed with what was before it */
    uint64_t *fresh; /* owned: ids of the batch in hand, not yet on disk */
    size_t n_fresh, fresh_capacity;
    char *path; /* owned */
} Consumed;

/*
 * Reads the first `count` ids of path, whose digest (as text) must be this one, else STATUS_CORRUPT, and cuts the file there;
 * count 0 starts it anew.
 */
MUST_USE bool consumed_open(Consumed *c, const char *path, size_t count, const char *digest, Error *err);
void consumed_release(Consumed *c);

/* Whether the id of this hash (hash_id) is new to this run; a new one is added. */
bool consumed_add_hash(Consumed *c, uint64_t hash);

/* Whether the id has been consumed; adds nothing. */
bool consumed_has(const Consumed *c, const void *id, size_t size);

/* Forgets that ids are not on disk: another rank writes them. */
void consumed_pass_over(Consumed *c);

/* Appends the ids added since the last save and syncs. c->count is then what a checkpoint may vouch for. */
MUST_USE bool consumed_save(Consumed *c, Error *err);

#endif
