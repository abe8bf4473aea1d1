/* Open addressing, at most half full; see places.h. */
#include "eval/places.h"

#include <stdlib.h>

/* Key 0 stands for an empty slot, so it shares the slot of 1. */
static size_t slot_of(const Places *p, uint64_t key)
{
    size_t i = (key ^ (key >> 29)) & p->mask;
    while (p->keys[i] != 0 && p->keys[i] != key)
        i = (i + 1) & p->mask;
    return i;
}

static uint64_t key_of(uint64_t key)
{
    return key ? key : 1;
}

size_t places_find(const Places *p, uint64_t key)
{
    if (!p->keys)
        return SIZE_MAX;
    size_t i = slot_of(p, key_of(key));
    return p->keys[i] ? p->values[i] : SIZE_MAX;
}

static void grow(Places *p)
{
    Places old = *p;
    p->mask = old.keys ? 2 * old.mask + 1 : 1023;
    p->keys = xcalloc(p->mask + 1, sizeof *p->keys);
    p->values = xcalloc(p->mask + 1, sizeof *p->values);
    for (size_t i = 0; old.keys && i <= old.mask; i++)
        if (old.keys[i]) {
            size_t at = slot_of(p, old.keys[i]);
            p->keys[at] = old.keys[i];
            p->values[at] = old.values[i];
        }
    places_release(&old);
}

bool places_add(Places *p, uint64_t key, size_t value)
{
    if (!p->keys || 2 * (p->n + 1) > p->mask)
        grow(p);
    size_t i = slot_of(p, key_of(key));
    if (p->keys[i])
        return false;
    p->keys[i] = key_of(key);
    p->values[i] = value;
    p->n++;
    return true;
}

void places_release(Places *p)
{
    free(p->keys);
    free(p->values);
    *p = (Places){0};
}
