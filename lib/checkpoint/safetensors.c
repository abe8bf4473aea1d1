/*
 * Reading a safetensors file: its header. Every number in it is checked against the file before it is used; after that a tensor
 * is a pointer into the file. Writing is in safetensors_write.c.
 */
#include "checkpoint/safetensors.h"

#include <stdlib.h>
#include <string.h>

#define HEADER_MAX (100 << 20) /* as the reference implementation */

/* The bytes behind the header. */
typedef struct Values {
    const unsigned char *data;
    size_t size;
} Values;

static bool parse_dtype(StoredTensor *t, const json_t *value, size_t *size, Error *err)
{
    const char *name = json_string_value(value);
    if (!name)
        return error_set(err, "tensor %s: dtype is missing or not a string", t->name);
    return stored_type(t, name, size) || error_set(err, "tensor %s: unknown dtype \"%.32s\"", t->name, name);
}

/* A JSON integer that can be a size. */
static bool parse_size(const json_t *value, size_t *out)
{
    if (!json_is_integer(value) || json_integer_value(value) < 0)
        return false;
    *out = (size_t)json_integer_value(value);
    return true;
}

static bool parse_shape(StoredTensor *t, const json_t *value, size_t *bytes, Error *err)
{
    if (!json_is_array(value))
        return error_set(err, "tensor %s: shape is missing or not an array", t->name);
    t->shape.ndim = json_array_size(value);
    if (t->shape.ndim > SHAPE_MAX)
        return error_set(err, "tensor %s: %zu dimensions, expected at most %d", t->name, t->shape.ndim, SHAPE_MAX);
    for (size_t i = 0; i < t->shape.ndim; i++) {
        if (!parse_size(json_array_get(value, i), &t->shape.dim[i]))
            return error_set(err, "tensor %s: dimension %zu is not a size", t->name, i);
        if (__builtin_mul_overflow(*bytes, t->shape.dim[i], bytes))
            return error_set(err, "tensor %s: the shape overflows", t->name);
    }
    return true;
}

static bool parse_offsets(StoredTensor *t, const json_t *value, const Values *f, size_t bytes, Error *err)
{
    size_t begin, end;
    if (json_array_size(value) != 2 || !parse_size(json_array_get(value, 0), &begin) ||
        !parse_size(json_array_get(value, 1), &end))
        return error_set(err, "tensor %s: data_offsets is not a pair of sizes", t->name);
    if (begin > end || end > f->size)
        return error_set(err, "tensor %s: data_offsets [%zu, %zu] lie outside the file's %zu bytes of values (truncated?)",
                         t->name, begin, end, f->size);
    char text[128];
    if (end - begin != bytes)
        return error_set(err, "tensor %s: %zu bytes for shape %s of %s, expected %zu", t->name, end - begin,
                         shape_text(&t->shape, text), t->dtype, bytes);
    t->data = f->data + begin;
    t->bytes = bytes;
    return true;
}

static bool parse_tensor(StoredList *out, const Values *f, const char *name, const json_t *value, Error *err)
{
    StoredTensor t = {.name = name};
    if (!stored_name(name, err))
        return false;
    if (!json_is_object(value))
        return error_set(err, "tensor %s: no object", name);
    size_t bytes = 1;
    if (!parse_dtype(&t, json_object_get(value, "dtype"), &bytes, err) ||
        !parse_shape(&t, json_object_get(value, "shape"), &bytes, err) ||
        !parse_offsets(&t, json_object_get(value, "data_offsets"), f, bytes, err))
        return false;
    stored_add(out, &t);
    return true;
}

static int by_data(const void *a, const void *b)
{
    const StoredTensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones first */
}

/* The tensors of a file must cover its values exactly, each byte once. */
static bool check_cover(const Values *f, StoredTensor *tensors, size_t n, Error *err)
{
    if (n > 1)
        qsort(tensors, n, sizeof tensors[0], by_data);
    const unsigned char *at = f->data;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *data = tensors[i].data;
        if (data < at)
            return error_set(err, "tensor %s overlaps tensor %s", tensors[i].name, tensors[i - 1].name);
        if (data > at)
            return error_set(err, "%zu bytes before tensor %s belong to no tensor", (size_t)(data - at), tensors[i].name);
        at = data + tensors[i].bytes;
    }
    size_t left = (size_t)(f->data + f->size - at);
    return left == 0 || error_set(err, "%zu bytes at the end belong to no tensor", left);
}

static bool check_metadata(const json_t *metadata, Error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return error_set(err, "__metadata__ is not an object");
    json_object_foreach ((json_t *)metadata, key, value)
        if (!json_is_string(value))
            return error_set(err, "__metadata__: %s is not a string", key);
    return true;
}

bool safetensors_read(const unsigned char *file, size_t size, json_t **header, StoredList *out, Error *err)
{
    uint64_t length = 0;
    *header = NULL;
    if (size < 8)
        return error_set(err, "%zu bytes are too few for a safetensors file", size);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | file[i];
    if (length > size - 8 || length > HEADER_MAX)
        return error_set(err, "a header of %llu bytes does not fit a file of %zu (truncated, or no safetensors file)",
                         (unsigned long long)length, size);
    const Values values = {file + 8 + length, size - 8 - length};
    json_error_t why;
    *header = json_loadb((const char *)file + 8, length, JSON_REJECT_DUPLICATES, &why);
    if (!*header)
        return error_set(err, "header is not valid JSON: %s", why.text);
    if (!json_is_object(*header))
        return error_set(err, "header is no JSON object");
    size_t first = out->count;
    const char *name;
    json_t *value;
    json_object_foreach (*header, name, value) {
        bool metadata = strcmp(name, "__metadata__") == 0;
        if (metadata ? !check_metadata(value, err) : !parse_tensor(out, &values, name, value, err))
            return false;
    }
    return check_cover(&values, out->items + first, out->count - first, err);
}
