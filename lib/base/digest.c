/* xxh3-64 over a stream of bytes; see digest.h. */
#include "base/digest.h"

#include <stdlib.h>
#include <xxhash.h>

#include "base/memory.h"
#include "base/msg.h"

struct Digest {
    XXH3_state_t *state;
};

Digest *digest_new(void)
{
    Digest *d = xmalloc(sizeof *d);
    d->state = XXH3_createState();
    if (!d->state)
        die_status(STATUS_MEMORY, "out of memory: a digest");
    digest_reset(d);
    return d;
}

void digest_free(Digest *d)
{
    if (!d)
        return;
    XXH3_freeState(d->state);
    free(d);
}

void digest_reset(Digest *d)
{
    XXH3_64bits_reset(d->state);
}

void digest_update(Digest *d, const void *data, size_t size)
{
    XXH3_64bits_update(d->state, data, size);
}

uint64_t digest_value(const Digest *d)
{
    return XXH3_64bits_digest(d->state);
}
