/* Open addressing, at most two thirds full; see hashmap.h. */
#include "base/hashmap.h"

#include <stdlib.h>

#include "base/memory.h"

/* The slot of a hash, or the free one where it would be. */
static HashSlot *place(const HashMap *m, uint64_t hash)
{
    size_t at = (size_t)(hash * 0x9e3779b97f4a7c15u) & (m->capacity - 1);
    while (m->slots[at].hash && m->slots[at].hash != hash)
        at = (at + 1) & (m->capacity - 1);
    return &m->slots[at];
}

static void grow(HashMap *m)
{
    HashMap old = *m;
    m->capacity = old.capacity ? old.capacity * 2 : 64;
    m->slots = xcalloc(m->capacity, sizeof *m->slots);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i].hash)
            *place(m, old.slots[i].hash) = old.slots[i];
    free(old.slots);
}

int64_t *hashmap_at(HashMap *m, uint64_t hash)
{
    hash = hash ? hash : 1;
    if (m->count * 3 >= m->capacity * 2)
        grow(m);
    HashSlot *s = place(m, hash);
    m->count += s->hash == 0;
    s->hash = hash;
    return &s->number;
}

int64_t hashmap_get(const HashMap *m, uint64_t hash)
{
    return m->capacity > 0 ? place(m, hash ? hash : 1)->number : 0;
}

bool hashmap_add(HashMap *m, uint64_t hash)
{
    int64_t *number = hashmap_at(m, hash);
    if (*number)
        return false;
    *number = 1;
    return true;
}

void hashmap_release(HashMap *m)
{
    free(m->slots);
    *m = (HashMap){0};
}
