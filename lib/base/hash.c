/* xxh3-64; see hash.h. */
#include "base/hash.h"

#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

uint64_t hash_id(const void *id, size_t size)
{
    return XXH3_64bits(id, size);
}

Digest digest_text(uint64_t hash)
{
    Digest d;
    snprintf(d.text, sizeof d.text, "%016" PRIx64, hash);
    return d;
}
