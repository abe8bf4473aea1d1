/* Digests of tensors, see checkpoint.h. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/pool.h"
#include "base/progress.h"
#include "checkpoint/checkpoint.h"

enum { DIGEST_PIECE = 1 << 20 };

/* Gives the pages of a stretch of a mapped file back; who reads them again finds them in the page cache. */
static void pages_forget(const char *at, size_t bytes)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), first = (uintptr_t)at / page * page;
    madvise((char *)first, (uintptr_t)at + bytes - first, MADV_DONTNEED);
}

/* A file is read through, not held: one that was just written would double what its values take in memory. */
static void digest_tensor(void *context, size_t part)
{
    const StoredTensor *t = ((const StoredTensor *const *)context)[part];
    if (*t->digest != 0)
        return;
    XXH3_state_t *state = XXH3_createState();
    XXH3_64bits_reset(state);
    for (size_t at = 0, n; at < t->bytes; at += n) {
        n = t->bytes - at < DIGEST_PIECE ? t->bytes - at : DIGEST_PIECE;
        XXH3_64bits_update(state, (const char *)t->data + at, n);
        pages_forget((const char *)t->data + at, n);
        progress_phase_done(n);
    }
    *t->digest = XXH3_64bits_digest(state);
    XXH3_freeState(state);
}

static bool has_prefix(const char *name, const char *const *prefixes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (strncmp(name, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return n == 0;
}

uint64_t checkpoint_digest(const Checkpoint *c, const char *const *prefixes, size_t n)
{
    size_t count = 0;
    const StoredTensor **tensors = xcalloc(checkpoint_count(c) + 1, sizeof *tensors);
    for (size_t i = 0; i < checkpoint_count(c); i++)
        if (has_prefix(checkpoint_get(c, i)->name, prefixes, n))
            tensors[count++] = checkpoint_get(c, i);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += *tensors[i]->digest == 0 ? tensors[i]->bytes : 0;
    progress_phase("reads", checkpoint_path(c), bytes);
    pool_run(digest_tensor, tensors, count);
    progress_phase_end();
    XXH3_state_t *state = XXH3_createState();
    XXH3_64bits_reset(state);
    for (size_t i = 0; i < count; i++) {
        const StoredTensor *t = tensors[i];
        char shape[128];
        XXH3_64bits_update(state, t->name, strlen(t->name) + 1);
        XXH3_64bits_update(state, t->dtype, strlen(t->dtype) + 1);
        shape_text(&t->shape, shape);
        XXH3_64bits_update(state, shape, strlen(shape) + 1);
        XXH3_64bits_update(state, t->digest, sizeof *t->digest);
    }
    uint64_t digest = XXH3_64bits_digest(state);
    XXH3_freeState(state);
    free(tensors);
    return digest;
}
