/* Open addressing, at most two thirds full; see hashset.h. */
#include "base/hashset.h"

#include <stdlib.h>

#include "base/memory.h"

static size_t place(const HashSet *h, uint64_t hash)
{
    size_t at = (size_t)(hash * 0x9e3779b97f4a7c15u) & (h->capacity - 1);
    while (h->slots[at] && h->slots[at] != hash)
        at = (at + 1) & (h->capacity - 1);
    return at;
}

bool hashset_has(const HashSet *h, uint64_t hash)
{
    return h->capacity > 0 && h->slots[place(h, hash ? hash : 1)] != 0;
}

static void grow(HashSet *h)
{
    HashSet old = *h;
    h->capacity = old.capacity ? old.capacity * 2 : 64;
    h->slots = xcalloc(h->capacity, sizeof *h->slots);
    for (size_t i = 0; i < old.capacity; i++)
        if (old.slots[i])
            h->slots[place(h, old.slots[i])] = old.slots[i];
    free(old.slots);
}

bool hashset_add(HashSet *h, uint64_t hash)
{
    hash = hash ? hash : 1;
    if (h->count * 3 >= h->capacity * 2)
        grow(h);
    size_t at = place(h, hash);
    if (h->slots[at])
        return false;
    h->slots[at] = hash;
    h->count++;
    return true;
}

void hashset_release(HashSet *h)
{
    free(h->slots);
    *h = (HashSet){0};
}
