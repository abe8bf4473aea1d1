/* Zip files without compression; see zip.h. Offsets are checked before anything is read through them. */
#include "checkpoint/zip.h"

#include <string.h>

typedef struct ZipFile {
    const unsigned char *data;
    size_t size;
} ZipFile;

/* Little-endian number of `bytes` bytes; the caller has checked that they are there. */
static uint64_t number(const unsigned char *p, int bytes)
{
    uint64_t n = 0;
    for (int i = bytes - 1; i >= 0; i--)
        n = n << 8 | p[i];
    return n;
}

static bool has(const ZipFile *z, uint64_t at, uint64_t bytes)
{
    return at <= z->size && bytes <= z->size - at;
}

static bool has_signature(const ZipFile *z, uint64_t at, uint64_t bytes, const char *signature)
{
    return has(z, at, bytes) && memcmp(z->data + at, signature, 4) == 0;
}

typedef struct Directory {
    uint64_t at, count;
} Directory;

/* The end record is somewhere in the last 64 KiB, before a comment of its own length. */
static bool find_directory(const ZipFile *z, Directory *d)
{
    for (size_t back = 22; back <= z->size && back <= 22 + 65535; back++) {
        size_t at = z->size - back;
        if (!has_signature(z, at, 22, "PK\5\6") || number(z->data + at + 20, 2) != back - 22)
            continue;
        d->count = number(z->data + at + 10, 2);
        d->at = number(z->data + at + 16, 4);
        if (d->count != 0xFFFF && d->at != 0xFFFFFFFF)
            return true;
        if (at < 20 || !has_signature(z, at - 20, 20, "PK\6\7"))
            return true; /* no zip64: the numbers mean what they say */
        uint64_t end = number(z->data + at - 20 + 8, 8);
        if (!has_signature(z, end, 56, "PK\6\6"))
            return false;
        d->count = number(z->data + end + 32, 8);
        d->at = number(z->data + end + 48, 8);
        return true;
    }
    return false;
}

/* Sizes and offset of one entry, 64-bit ones from its extra field where the 32-bit ones are all ones. */
typedef struct Central {
    uint64_t packed, size, local;
} Central;

static bool read_zip64(const unsigned char *extra, size_t length, Central *c)
{
    for (size_t at = 0; at + 4 <= length;) {
        size_t id = number(extra + at, 2), bytes = number(extra + at + 2, 2), field = at + 4;
        if (bytes > length - field)
            return false;
        if (id == 1) {
            uint64_t *const wanted[] = {&c->size, &c->packed, &c->local};
            for (int i = 0; i < 3; i++) {
                if (*wanted[i] != 0xFFFFFFFF)
                    continue;
                if (field + 8 > at + 4 + bytes)
                    return false;
                *wanted[i] = number(extra + field, 8);
                field += 8;
            }
        }
        at += 4 + bytes;
    }
    return true;
}

static bool read_entry(const ZipFile *z, uint64_t *at, Arena *arena, ZipEntry *out, Error *err)
{
    if (!has_signature(z, *at, 46, "PK\1\2"))
        return error_set(err, "zip: the central directory is damaged at byte %llu", (unsigned long long)*at);
    const unsigned char *p = z->data + *at;
    size_t name = number(p + 28, 2), extra = number(p + 30, 2), comment = number(p + 32, 2);
    Central c = {.packed = number(p + 20, 4), .size = number(p + 24, 4), .local = number(p + 42, 4)};
    if (!has(z, *at, 46 + name + extra + comment) || !read_zip64(p + 46 + name, extra, &c))
        return error_set(err, "zip: an entry of the central directory is damaged");
    out->name = arena_strndup(arena, (const char *)p + 46, name);
    if (number(p + 10, 2) != 0 || (number(p + 8, 2) & 1) || c.packed != c.size)
        return error_set(err, "zip: %s is compressed or encrypted, which torch never writes", out->name);
    if (!has_signature(z, c.local, 30, "PK\3\4"))
        return error_set(err, "zip: %s has no header at byte %llu", out->name, (unsigned long long)c.local);
    const unsigned char *l = z->data + c.local;
    uint64_t data = c.local + 30 + number(l + 26, 2) + number(l + 28, 2);
    if (!has(z, data, c.size))
        return error_set(err, "zip: %s reaches beyond the end of the file (truncated?)", out->name);
    out->data = z->data + data;
    out->size = c.size;
    *at += 46 + name + extra + comment;
    return true;
}

bool zip_read(const unsigned char *file, size_t size, Arena *arena, ZipEntry **entries, size_t *n, Error *err)
{
    const ZipFile z = {file, size};
    Directory d;
    if (!find_directory(&z, &d))
        return error_set(err, "zip: no central directory (truncated?)");
    if (d.count > size / 46)
        return error_set(err, "zip: %llu entries do not fit the file", (unsigned long long)d.count);
    *entries = arena_alloc(arena, (d.count + 1) * sizeof **entries);
    *n = d.count;
    for (uint64_t i = 0; i < d.count; i++)
        if (!read_entry(&z, &d.at, arena, &(*entries)[i], err))
            return false;
    return true;
}
