/* Files of torch.save: the pickle says which bytes of which zip entry are whose. See torch.h. */
#include "checkpoint/torch.h"

#include <stdlib.h>
#include <string.h>

#include "checkpoint/pickle.h"
#include "checkpoint/zip.h"

#define PICKLE_MAX (4 << 20) /* a state dict of a thousand tensors takes 200 kB */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const ZipEntry *)a)->name, ((const ZipEntry *)b)->name);
}

static const ZipEntry *find(const ZipEntry *entries, size_t n, const char *name)
{
    const ZipEntry key = {.name = name};
    return n ? bsearch(&key, entries, n, sizeof *entries, by_name) : NULL;
}

/* The entry whose name ends in "/data.pkl": what stands before it is the archive's name. */
static const ZipEntry *find_pickle(const ZipEntry *entries, size_t n)
{
    const char end[] = "/data.pkl";
    for (size_t i = 0; i < n; i++) {
        size_t length = strlen(entries[i].name);
        if (length >= sizeof end - 1 && strcmp(entries[i].name + length - (sizeof end - 1), end) == 0)
            return &entries[i];
    }
    return NULL;
}

typedef struct Archive {
    const ZipEntry *entries;
    size_t n;
    char *folder; /* "archive/" */
} Archive;

static const ZipEntry *find_in(const Archive *a, Arena *arena, const char *prefix, const char *name)
{
    size_t size = strlen(a->folder) + strlen(prefix) + strlen(name) + 1;
    char *path = arena_alloc(arena, size);
    snprintf(path, size, "%s%s%s", a->folder, prefix, name);
    return find(a->entries, a->n, path);
}

static bool bind(const Archive *a, Arena *arena, const PickledTensor *p, StoredTensor *out, Error *err)
{
    const ZipEntry *storage = find_in(a, arena, "data/", p->storage);
    size_t unit, first, bytes, end;
    *out = (StoredTensor){.name = p->name, .shape = p->shape};
    if (!stored_name(p->name, err))
        return false;
    if (!storage)
        return error_set(err, "tensor %s: no entry %sdata/%s", p->name, a->folder, p->storage);
    if (!stored_type(out, p->dtype, &unit))
        bug("the unpickler made a tensor of %s", p->dtype);
    if (__builtin_mul_overflow(p->offset, unit, &first) || __builtin_mul_overflow(shape_size(&p->shape), unit, &bytes) ||
        __builtin_add_overflow(first, bytes, &end) || end > storage->size)
        return error_set(err, "tensor %s: reaches beyond its storage of %zu bytes", p->name, storage->size);
    out->data = storage->data + first;
    out->bytes = bytes;
    return true;
}

static bool check_order(const Archive *a, Arena *arena, Error *err)
{
    const ZipEntry *order = find_in(a, arena, "byteorder", "");
    if (order && (order->size != 6 || memcmp(order->data, "little", 6) != 0))
        return error_set(err, "values are not little-endian");
    return true;
}

bool torch_read(const unsigned char *file, size_t size, Arena *arena, StoredList *out, Error *err)
{
    ZipEntry *entries;
    PickledTensor *pickled;
    size_t n_entries, n;
    if (!zip_read(file, size, arena, &entries, &n_entries, err))
        return false;
    qsort(entries, n_entries, sizeof *entries, by_name);
    const ZipEntry *pickle = find_pickle(entries, n_entries);
    if (!pickle)
        return error_set(err, "no data.pkl within: not made by torch.save");
    if (pickle->size > PICKLE_MAX)
        return error_set(err, "data.pkl has %zu bytes, at most %d are read", pickle->size, PICKLE_MAX);
    Archive a = {entries, n_entries, arena_strndup(arena, pickle->name, strlen(pickle->name) - strlen("data.pkl"))};
    if (!check_order(&a, arena, err) || !pickle_read(pickle->data, pickle->size, arena, &pickled, &n, err))
        return false;
    for (size_t i = 0; i < n; i++) {
        StoredTensor t;
        if (!bind(&a, arena, &pickled[i], &t, err))
            return false;
        stored_add(out, &t);
    }
    return true;
}
