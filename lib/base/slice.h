/* Borrowed bytes, a text or a value of a record: where they are and how many. */
#ifndef BASE_SLICE_H
#define BASE_SLICE_H

#include <stdbool.h>
#include <stddef.h>

/* Not zero-terminated; valid as long as whoever handed it out says. */
typedef struct Slice {
    const char *data;
    size_t size;
} Slice;

/* The slice of a string literal, without its zero. */
#define SLICE(literal) ((Slice){"" literal, sizeof literal - 1})

/* The slice of a string, without its zero. */
Slice slice_of(const char *text);

/* The slice of `size` bytes of any type. */
Slice slice_bytes(const void *data, size_t size);

/* Whether the slice is there and is this text. */
bool slice_equal(Slice a, const char *text);

/* Whether two slices have the same bytes. */
bool slice_same(Slice a, Slice b);

/* Whether the slice begins, or ends, with the bytes of the other. */
bool slice_starts(Slice a, Slice prefix);
bool slice_ends(Slice a, Slice suffix);

#endif
