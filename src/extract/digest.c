/*
 * What a source is known by: the xxh3-64 of its bytes. Of a long one only its length and blocks spread over it go in, for a frame
 * may be taken from the beginning of a file that takes minutes to read: formats/frame.md.
 */
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/hash.h"
#include "base/io.h"
#include "extract/input.h"

enum { BLOCK = 1 << 20, BLOCKS = 16 };

/* The n bytes from `at` on into the digest; scratch has BLOCK bytes. */
static bool add_bytes(XXH3_state_t *x, const Input *in, int64_t at, int64_t n, uint8_t *scratch, Error *err)
{
    if (in->data) {
        XXH3_64bits_update(x, in->data + at, (size_t)n);
        return true;
    }
    while (n > 0) {
        ssize_t got = pread_in_full(in->fd, scratch, n < BLOCK ? (size_t)n : BLOCK, at);
        if (got < 0)
            return error_set(err, "no digest of it: read at byte %lld:", (long long)at);
        if (got == 0)
            return error_set(err, "no digest of it: it has become shorter, it ends at byte %lld", (long long)at);
        XXH3_64bits_update(x, scratch, (size_t)got);
        at += got;
        n -= got;
    }
    return true;
}

/* The length, as text, and the blocks: block i begins at byte i * floor((length - BLOCK) / (BLOCKS - 1)). */
static bool add_blocks(XXH3_state_t *x, const Input *in, uint8_t *scratch, Error *err)
{
    char length[32];
    bool ok = true;
    int n = snprintf(length, sizeof length, "%lld", (long long)in->size);
    XXH3_64bits_update(x, length, (size_t)n);
    for (int64_t i = 0; i < BLOCKS && ok; i++)
        ok = add_bytes(x, in, (in->size - BLOCK) / (BLOCKS - 1) * i, BLOCK, scratch, err);
    return ok;
}

bool input_digest(Digest *out, const Input *in, Error *err)
{
    XXH3_state_t *x = XXH3_createState();
    uint8_t *scratch = xmalloc(BLOCK);
    if (!x)
        die_status(STATUS_MEMORY, "out of memory");
    XXH3_64bits_reset(x);
    bool ok = in->size <= (int64_t)BLOCK * BLOCKS ? add_bytes(x, in, 0, in->size, scratch, err) : add_blocks(x, in, scratch, err);
    *out = ok ? digest_text(XXH3_64bits_digest(x)) : (Digest){""};
    XXH3_freeState(x);
    free(scratch);
    return ok;
}
