/* Stored tensors: shapes, and values whatever their type and alignment. See stored.h. */
#include "checkpoint/stored.h"

#include <jansson.h>
#include <string.h>

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
        return error_set(err, "a tensor's name is not valid UTF-8: \"%.80s\"", name);
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
    dtype_convert_bytes(to, out, t->type, (const char *)t->data + first * dtype_size(t->type), n);
}

void stored_add(StoredList *list, const StoredTensor *t)
{
    list->items = array_reserve(list->items, &list->capacity, list->count + 1, sizeof *list->items);
    list->items[list->count++] = *t;
}
