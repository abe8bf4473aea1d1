/* xxh3-64 over a stream of bytes (https://xxhash.com): integrity, not security. */
#ifndef BASE_DIGEST_H
#define BASE_DIGEST_H

#include <stddef.h>
#include <stdint.h>

typedef struct Digest Digest;

Digest *digest_new(void);
void digest_free(Digest *d); /* NULL is fine */
void digest_reset(Digest *d);
void digest_update(Digest *d, const void *data, size_t size);
uint64_t digest_value(const Digest *d);

#endif
