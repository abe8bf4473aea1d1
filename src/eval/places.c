/* Places in a HashMap; see places.h. */
#include "eval/places.h"

size_t places_find(const Places *p, uint64_t key)
{
    return (size_t)hashmap_get(&p->map, key) - 1;
}

bool places_add(Places *p, uint64_t key, size_t value)
{
    int64_t *number = hashmap_at(&p->map, key);
    if (*number)
        return false;
    *number = (int64_t)value + 1;
    return true;
}

size_t places_count(const Places *p)
{
    return p->map.count;
}

void places_release(Places *p)
{
    hashmap_release(&p->map);
}
