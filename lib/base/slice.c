/* Slices of bytes; see slice.h. */
#include "base/slice.h"

#include <string.h>

Slice slice_of(const char *text)
{
    return (Slice){text, strlen(text)};
}

Slice slice_bytes(const void *data, size_t size)
{
    return (Slice){data, size};
}

bool slice_same(Slice a, Slice b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

bool slice_equal(Slice a, const char *text)
{
    return a.data && slice_same(a, slice_of(text));
}

bool slice_starts(Slice a, Slice prefix)
{
    return a.size >= prefix.size && (prefix.size == 0 || memcmp(a.data, prefix.data, prefix.size) == 0);
}

bool slice_ends(Slice a, Slice suffix)
{
    return a.size >= suffix.size && (suffix.size == 0 || memcmp(a.data + a.size - suffix.size, suffix.data, suffix.size) == 0);
}
