/* xxh3-64; see hash.h. */
#include "base/hash.h"

#include <xxhash.h>

uint64_t hash_id(const void *id, size_t size)
{
    return XXH3_64bits(id, size);
}
