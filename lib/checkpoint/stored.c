/* Stored tensors: shapes, values whatever their type and alignment, digests. See safetensors.h. */
#include "checkpoint/stored.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/pool.h"

static const struct {
    const char *name;
    size_t size;
    bool real_valued;
    DType type;
} stored_types[] = {
    {"F32", 4, true, DTYPE_F32}, {"F16", 2, true, DTYPE_F16}, {"BF16", 2, true, DTYPE_BF16}, {"F64", 8, true, DTYPE_F64},
    {"I64", 8, false, 0},        {"U64", 8, false, 0},        {"I32", 4, false, 0},          {"U32", 4, false, 0},
    {"I16", 2, false, 0},        {"U16", 2, false, 0},        {"I8", 1, false, 0},           {"U8", 1, false, 0},
    {"BOOL", 1, false, 0},       {"F8_E4M3", 1, false, 0},    {"F8_E5M2", 1, false, 0},
};

bool stored_type(StoredTensor *t, const char *name, size_t *size)
{
    for (size_t i = 0; i < sizeof stored_types / sizeof stored_types[0]; i++)
        if (strcmp(name, stored_types[i].name) == 0) {
            t->dtype = stored_types[i].name;
            t->real_valued = stored_types[i].real_valued;
            t->type = stored_types[i].type;
            *size = stored_types[i].size;
            return true;
        }
    return false;
}

bool stored_name(const char *name, Error *err)
{
    json_t *text = json_string(name); /* which has UTF-8 alone */
    if (!text)
        return error_set(err, "a tensor's name is no valid UTF-8: \"%.80s\"", name);
    json_decref(text);
    for (const unsigned char *c = (const unsigned char *)name; *c; c++)
        if (*c < ' ' || *c == 0x7f)
            return error_set(err, "a tensor's name has a control character: \"%.80s\"", name);
    return true;
}

size_t shape_size(const Shape *s)
{
    size_t n = 1;
    for (size_t i = 0; i < s->ndim; i++)
        n *= s->dim[i];
    return n;
}

bool shape_equal(const Shape *a, const Shape *b)
{
    return a->ndim == b->ndim && memcmp(a->dim, b->dim, a->ndim * sizeof a->dim[0]) == 0;
}

const char *shape_text(const Shape *s, char text[static 128])
{
    size_t at = (size_t)snprintf(text, 128, "[");
    for (size_t i = 0; i < s->ndim && at < 120; i++)
        at += (size_t)snprintf(text + at, 128 - at, "%s%zu", i ? ", " : "", s->dim[i]);
    snprintf(text + (at < 126 ? at : 126), 2, "]");
    return text;
}

void stored_read(const StoredTensor *t, size_t first, size_t n, DType to, void *out)
{
    const size_t unit = dtype_size(t->type);
    const char *at = (const char *)t->data + first * unit;
    if ((uintptr_t)at % unit == 0) {
        dtype_convert(to, out, t->type, at, n);
        return;
    }
    _Alignas(8) char aligned[8192];
    for (size_t i = 0; i < n; i += sizeof aligned / 8) {
        size_t m = n - i < sizeof aligned / 8 ? n - i : sizeof aligned / 8;
        memcpy(aligned, at + i * unit, m * unit);
        dtype_convert(to, (char *)out + i * dtype_size(to), t->type, aligned, m);
    }
}

/* ---- digests ---- */

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
    pool_run(digest_tensor, tensors, count);
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

void digest_text(uint64_t digest, char text[static 17])
{
    snprintf(text, 17, "%016llx", (unsigned long long)digest);
}
