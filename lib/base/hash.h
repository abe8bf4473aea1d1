/* The suite's one hash, xxh3-64: of ids (keys of draws and of maps) and of whole files and models (digests). */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

/* xxh3-64 of `size` bytes. Of a record's id it is the key of its draws (base/random.h). */
uint64_t hash_id(const void *id, size_t size);

#endif
