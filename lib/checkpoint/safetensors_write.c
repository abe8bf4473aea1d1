/*
 * Writing safetensors: the header first, then each tensor's values through one small buffer. Values are ordered by the size of
 * their type, largest first, then by name, so that every tensor is aligned to its type (as the reference implementation does).
 */
#include "checkpoint/safetensors_write.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"

#define CHUNK 262144 /* values converted at a time */

typedef struct Target { /* how one source will lie in the file */
    const TensorSource *source;
    DType type; /* unless raw */
    size_t unit, bytes;
} Target;

static bool dtype_parse(const char *name, DType *out)
{
    static const DType all[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F64};
    for (size_t i = 0; i < 4; i++)
        if (strcmp(name, dtype_name(all[i])) == 0) {
            *out = all[i];
            return true;
        }
    return false;
}

static int by_unit_then_name(const void *a, const void *b)
{
    const Target *x = a, *y = b;
    if (x->unit != y->unit)
        return x->unit > y->unit ? -1 : 1;
    return strcmp(x->source->name, y->source->name);
}

static bool plan(Target *targets, const TensorSource *tensors, size_t n, Error *err)
{
    for (size_t i = 0; i < n; i++) {
        const TensorSource *s = &tensors[i];
        Target *t = &targets[i];
        size_t count = shape_size(&s->shape);
        *t = (Target){.source = s};
        if (s->raw) {
            t->unit = count ? s->raw_bytes / count : 1;
            t->bytes = s->raw_bytes;
        } else {
            if (!dtype_parse(s->dtype, &t->type))
                return error_set(err, "tensor %s: cannot write values as %s", s->name, s->dtype);
            t->unit = dtype_size(t->type);
            t->bytes = count * t->unit;
        }
    }
    qsort(targets, n, sizeof targets[0], by_unit_then_name);
    return true;
}

static char *header_text(const Target *targets, size_t n, const char *const *metadata, Error *err)
{
    json_t *header = json_object();
    if (metadata && metadata[0]) {
        json_t *m = json_object();
        for (; metadata[0]; metadata += 2)
            json_object_set_new(m, metadata[0], json_string(metadata[1]));
        json_object_set_new(header, "__metadata__", m);
    }
    size_t at = 0;
    bool ok = true;
    for (size_t i = 0; i < n && ok; i++) {
        const TensorSource *s = targets[i].source;
        json_t *shape = json_array();
        for (size_t k = 0; k < s->shape.ndim; k++)
            json_array_append_new(shape, json_integer((json_int_t)s->shape.dim[k]));
        if (json_object_get(header, s->name))
            ok = error_set(err, "tensor %s is given twice", s->name);
        if (json_object_set_new(header, s->name,
                                json_pack("{s:s, s:o, s:[I, I]}", "dtype", s->dtype, "shape", shape, "data_offsets",
                                          (json_int_t)at, (json_int_t)(at + targets[i].bytes))) != 0)
            ok = error_set(err, "tensor %s: its name is not valid UTF-8", s->name);
        at += targets[i].bytes;
    }
    char *text = ok ? json_dumps(header, JSON_COMPACT) : NULL;
    json_decref(header);
    return text;
}

static bool put(FILE *f, const void *data, size_t size, Error *err)
{
    return fwrite(data, 1, size, f) == size || error_set(err, "%s", strerror(errno));
}

static bool write_header(FILE *f, const char *text, Error *err)
{
    size_t length = strlen(text), padded = (length + 7) / 8 * 8;
    unsigned char size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (unsigned char)((uint64_t)padded >> (8 * i));
    return put(f, size, 8, err) && put(f, text, length, err) && put(f, "        ", padded - length, err);
}

/* Values first .. first+n-1 of a source, in host memory: either where they are or in scratch. */
static const void *source_values(const TensorSource *s, size_t first, size_t n, void *scratch)
{
    if (s->produce) {
        s->produce(s->context, first, n, scratch);
        return scratch;
    }
    const char *at = (const char *)s->data + first * dtype_size(s->type);
    if (s->device)
        s->device->download(scratch, at, n * dtype_size(s->type));
    else if ((uintptr_t)at % dtype_size(s->type) == 0)
        return at;
    else
        memcpy(scratch, at, n * dtype_size(s->type));
    return scratch;
}

/* Finite values must still be so in 16 bits: all bits of the exponent set says infinity or nan. */
static bool fits(const Target *t, const uint16_t *converted, DType from, const void *values, size_t n, Error *err)
{
    const uint16_t exponent = t->type == DTYPE_F16 ? 0x7c00 : 0x7f80;
    bool all = true;
    for (size_t i = 0; i < n; i++)
        all &= (converted[i] & exponent) != exponent;
    for (size_t i = 0; !all && i < n; i++) {
        double value = dtype_load(from, values, i);
        if ((converted[i] & exponent) == exponent && isfinite(value))
            return error_set(err, "tensor %s: %g is too large for %s", t->source->name, value, dtype_name(t->type));
    }
    return true;
}

static bool write_tensor(FILE *f, const Target *t, void *scratch, void *converted, Error *err)
{
    const TensorSource *s = t->source;
    if (s->raw) {
        progress_phase_done(s->raw_bytes);
        return put(f, s->data, s->raw_bytes, err);
    }
    DType from = s->produce ? DTYPE_F32 : s->type;
    size_t left = shape_size(&s->shape);
    for (size_t first = 0; left > 0;) {
        size_t n = left < CHUNK ? left : CHUNK;
        const void *values = source_values(s, first, n, scratch);
        if (from != t->type)
            dtype_convert(t->type, converted, from, values, n);
        if (from != t->type && t->unit == 2 && !fits(t, converted, from, values, n, err))
            return false;
        if (!put(f, from != t->type ? converted : values, n * t->unit, err))
            return false;
        progress_phase_done(n * t->unit);
        first += n;
        left -= n;
    }
    return true;
}

bool safetensors_write(const char *path, const TensorSource *tensors, size_t n, const char *const *metadata, Error *err)
{
    Target *targets = xcalloc(n + 1, sizeof *targets);
    void *scratch = xmalloc(CHUNK * 8), *converted = xmalloc(CHUNK * 8);
    AtomicFile f = {0};
    char *text = NULL;
    bool ok = plan(targets, tensors, n, err) && (text = header_text(targets, n, metadata, err)) && atomic_open(&f, path, err);
    if (ok && !(ok = write_header(f.stream, text, err)))
        error_prefix(err, "%s", path);
    uint64_t bytes = 0;
    for (size_t i = 0; ok && i < n; i++)
        bytes += targets[i].bytes;
    progress_phase("writes", path, bytes);
    for (size_t i = 0; ok && i < n; i++)
        if (!(ok = write_tensor(f.stream, &targets[i], scratch, converted, err)))
            error_prefix(err, "%s", path);
    progress_phase_end();
    ok = ok && atomic_commit(&f, err);
    atomic_abort(&f);
    free(text);
    free(scratch);
    free(converted);
    free(targets);
    return ok;
}
