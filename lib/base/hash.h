/* The suite's one hash, xxh3-64: of ids (keys of draws and of maps) and of whole files and models (digests). */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* A hash as text: 16 lower-case hexadecimal digits and a zero; "" for none. */
typedef struct Digest {
    char text[17];
} Digest;

/* xxh3-64 of `size` bytes. Of a record's id it is the key of its draws (base/random.h). */
uint64_t hash_id(const void *id, size_t size);

/* The 16 lower-case hexadecimal digits of a hash. */
Digest digest_text(uint64_t hash);

#endif
