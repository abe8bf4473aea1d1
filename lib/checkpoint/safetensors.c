/*
 * Reading safetensors: folders, indexes, headers. Every number in a header is checked against the file before it is used; after
 * that a tensor is a pointer into the mapping. Writing is in safetensors_write.c.
 */
#include "checkpoint/safetensors.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_file.h"
#include "checkpoint/stored.h"

#define HEADER_MAX (100 << 20) /* as the reference implementation */

typedef struct CheckpointFile {
    char *path;          /* owned */
    unsigned char *data; /* mapped */
    size_t size;
    const unsigned char *values; /* after the header */
    size_t values_size;
} CheckpointFile;

struct Checkpoint {
    char *path; /* owned */
    CheckpointFile *files;
    size_t n_files;
    StoredTensor *tensors; /* in order of name once open */
    size_t n_tensors, capacity;
    uint64_t *digests; /* [n_tensors], owned: what StoredTensor.digest points to */
    json_t *headers;   /* array, owned: names and dtypes are borrowed from it */
    json_t *index;     /* owned, or NULL */
    Arena arena;       /* owned: names of torch files */
};

/* ---- one file's header ---- */

static bool parse_dtype(StoredTensor *t, const json_t *value, size_t *size, Error *err)
{
    const char *name = json_string_value(value);
    if (!name)
        return error_set(err, "tensor %s: dtype is missing or no string", t->name);
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
        return error_set(err, "tensor %s: shape is missing or no array", t->name);
    t->shape.ndim = json_array_size(value);
    if (t->shape.ndim > SHAPE_MAX)
        return error_set(err, "tensor %s: %zu dimensions, expected at most %d", t->name, t->shape.ndim, SHAPE_MAX);
    for (size_t i = 0; i < t->shape.ndim; i++) {
        if (!parse_size(json_array_get(value, i), &t->shape.dim[i]))
            return error_set(err, "tensor %s: dimension %zu is no size", t->name, i);
        if (__builtin_mul_overflow(*bytes, t->shape.dim[i], bytes))
            return error_set(err, "tensor %s: the shape overflows", t->name);
    }
    return true;
}

static bool parse_offsets(StoredTensor *t, const json_t *value, const CheckpointFile *f, size_t bytes, Error *err)
{
    size_t begin, end;
    if (json_array_size(value) != 2 || !parse_size(json_array_get(value, 0), &begin) ||
        !parse_size(json_array_get(value, 1), &end))
        return error_set(err, "tensor %s: data_offsets is no pair of sizes", t->name);
    if (begin > end || end > f->values_size)
        return error_set(err, "tensor %s: data_offsets [%zu, %zu] lie outside the file's %zu bytes of values (truncated?)",
                         t->name, begin, end, f->values_size);
    char text[128];
    if (end - begin != bytes)
        return error_set(err, "tensor %s: %zu bytes for shape %s of %s, expected %zu", t->name, end - begin,
                         shape_text(&t->shape, text), t->dtype, bytes);
    t->data = f->values + begin;
    t->bytes = bytes;
    return true;
}

static bool parse_tensor(Checkpoint *c, size_t file, const char *name, const json_t *value, Error *err)
{
    StoredTensor t = {.name = name, .file = file};
    if (!stored_name(name, err))
        return false;
    if (!json_is_object(value))
        return error_set(err, "tensor %s: no object", name);
    size_t bytes = 1;
    if (!parse_dtype(&t, json_object_get(value, "dtype"), &bytes, err) ||
        !parse_shape(&t, json_object_get(value, "shape"), &bytes, err) ||
        !parse_offsets(&t, json_object_get(value, "data_offsets"), &c->files[file], bytes, err))
        return false;
    c->tensors = array_reserve(c->tensors, &c->capacity, c->n_tensors + 1, sizeof c->tensors[0]);
    c->tensors[c->n_tensors++] = t;
    return true;
}

static int by_data(const void *a, const void *b)
{
    const StoredTensor *x = a, *y = b;
    if (x->data != y->data)
        return x->data < y->data ? -1 : 1;
    return (x->bytes > y->bytes) - (x->bytes < y->bytes); /* empty ones first */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const StoredTensor *)a)->name, ((const StoredTensor *)b)->name);
}

/* The tensors of a file must cover its values exactly, each byte once. */
static bool check_cover(const CheckpointFile *f, StoredTensor *tensors, size_t n, Error *err)
{
    if (n > 1)
        qsort(tensors, n, sizeof tensors[0], by_data);
    const unsigned char *at = f->values;
    for (size_t i = 0; i < n; i++) {
        const unsigned char *data = tensors[i].data;
        if (data < at)
            return error_set(err, "tensor %s overlaps tensor %s", tensors[i].name, tensors[i - 1].name);
        if (data > at)
            return error_set(err, "%zu bytes before tensor %s belong to no tensor", (size_t)(data - at), tensors[i].name);
        at = data + tensors[i].bytes;
    }
    size_t left = (size_t)(f->values + f->values_size - at);
    return left == 0 || error_set(err, "%zu bytes at the end belong to no tensor", left);
}

static bool check_metadata(const json_t *metadata, Error *err)
{
    const char *key;
    json_t *value;
    if (!json_is_object(metadata))
        return error_set(err, "__metadata__ is no object");
    json_object_foreach ((json_t *)metadata, key, value)
        if (!json_is_string(value))
            return error_set(err, "__metadata__: %s is no string", key);
    return true;
}

static bool parse_header(Checkpoint *c, size_t file, Error *err)
{
    CheckpointFile *f = &c->files[file];
    uint64_t length = 0;
    if (f->size < 8)
        return error_set(err, "%zu bytes are too few for a safetensors file", f->size);
    for (int i = 7; i >= 0; i--)
        length = length << 8 | f->data[i];
    if (length > f->size - 8 || length > HEADER_MAX)
        return error_set(err, "a header of %llu bytes does not fit a file of %zu (truncated, or no safetensors file)",
                         (unsigned long long)length, f->size);
    f->values = f->data + 8 + length;
    f->values_size = f->size - 8 - length;
    json_error_t why;
    json_t *header = json_loadb((const char *)f->data + 8, length, JSON_REJECT_DUPLICATES, &why);
    if (!header)
        return error_set(err, "header is no valid JSON: %s", why.text);
    json_array_append_new(c->headers, header);
    if (!json_is_object(header))
        return error_set(err, "header is no JSON object");
    size_t first = c->n_tensors;
    const char *name;
    json_t *value;
    json_object_foreach (header, name, value) {
        bool metadata = strcmp(name, "__metadata__") == 0;
        if (metadata ? !check_metadata(value, err) : !parse_tensor(c, file, name, value, err))
            return false;
    }
    return check_cover(f, c->tensors + first, c->n_tensors - first, err);
}

/* A file of torch.save: its tensors are used where they lie, too. */
static bool parse_torch(Checkpoint *c, size_t file, Error *err)
{
    CheckpointFile *f = &c->files[file];
    StoredTensor *tensors;
    size_t n;
    if (!torch_read(f->data, f->size, &c->arena, &tensors, &n, err))
        return false;
    c->tensors = array_reserve(c->tensors, &c->capacity, c->n_tensors + n, sizeof c->tensors[0]);
    for (size_t i = 0; i < n; i++) {
        tensors[i].file = file;
        c->tensors[c->n_tensors++] = tensors[i];
    }
    if (n > 1)
        qsort(c->tensors + c->n_tensors - n, n, sizeof c->tensors[0], by_name);
    for (size_t i = c->n_tensors - n + 1; i < c->n_tensors; i++)
        if (strcmp(c->tensors[i - 1].name, c->tensors[i].name) == 0)
            return error_set(err, "tensor %s: twice in one file", c->tensors[i].name);
    return true;
}

static bool parse_file(Checkpoint *c, size_t file, Error *err)
{
    const CheckpointFile *f = &c->files[file];
    static const unsigned char old_magic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    bool zip = f->size >= 4 && memcmp(f->data, "PK\3\4", 4) == 0;
    if (f->size >= sizeof old_magic && memcmp(f->data, old_magic, sizeof old_magic) == 0)
        return error_set(err, "a file of torch.save before 1.6; save it again with torch 1.6 or later");
    return zip ? parse_torch(c, file, err) : parse_header(c, file, err);
}

/* ---- files and folders ---- */

static bool map_file(CheckpointFile *f, Error *err)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC);
    struct stat s;
    if (fd < 0 || fstat(fd, &s) != 0) {
        int why = errno;
        if (fd >= 0)
            close(fd);
        return error_set(err, "%s", strerror(why));
    }
    if (!S_ISREG(s.st_mode)) {
        close(fd);
        return error_set(err, "not a regular file");
    }
    f->size = (size_t)s.st_size;
    void *p = f->size ? mmap(NULL, f->size, PROT_READ, MAP_SHARED, fd, 0) : NULL;
    int why = errno;
    close(fd);
    if (p == MAP_FAILED)
        return error_set(err, "cannot map: %s", strerror(why));
    f->data = p;
    return true;
}

/* Takes path. */
static bool add_file(Checkpoint *c, char *path, Error *err)
{
    c->files = xrealloc(c->files, c->n_files + 1, sizeof c->files[0]);
    c->files[c->n_files] = (CheckpointFile){.path = path};
    c->n_files++;
    if (!map_file(&c->files[c->n_files - 1], err) || !parse_file(c, c->n_files - 1, err)) {
        if (err->status == 0 || err->status == STATUS_FAILURE)
            err->status = STATUS_CORRUPT;
        return error_prefix(err, "%s", path);
    }
    return true;
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Whether an index lists safetensors files, and only plain names of them. */
static bool check_index(const json_t *map, Error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(map) || json_object_size(map) == 0)
        return error_set(err, "weight_map is missing or empty");
    json_object_foreach ((json_t *)map, name, value) {
        const char *file = json_string_value(value);
        if (!file || !ends_with(file, ".safetensors") || strchr(file, '/'))
            return error_set(err, "tensor %s: \"%.64s\" is no safetensors file of this folder", name, file ? file : "");
    }
    return true;
}

/* Opens each file that the map names, once; `folder` ends in a slash or is empty. */
static bool open_listed(Checkpoint *c, const json_t *map, const char *folder, Error *err)
{
    const char *name;
    json_t *value, *seen = json_object();
    bool ok = true;
    json_object_foreach ((json_t *)map, name, value) {
        const char *file = json_string_value(value);
        if (!ok || json_object_get(seen, file))
            continue;
        json_object_set_new(seen, file, json_integer((json_int_t)c->n_files));
        ok = add_file(c, xasprintf("%s%s", folder, file), err);
    }
    /* Drop what the index does not list, or lists in another file. */
    size_t kept = 0;
    for (size_t i = 0; ok && i < c->n_tensors; i++) {
        const json_t *file = json_object_get(map, c->tensors[i].name);
        if (file && (size_t)json_integer_value(json_object_get(seen, json_string_value(file))) == c->tensors[i].file)
            c->tensors[kept++] = c->tensors[i];
    }
    c->n_tensors = ok ? kept : c->n_tensors;
    json_decref(seen);
    return ok;
}

static bool open_index(Checkpoint *c, const char *path, Error *err)
{
    c->index = json_file_read(path, err);
    if (!c->index)
        return false;
    const json_t *map = json_object_get(c->index, "weight_map");
    if (!check_index(map, err))
        return error_prefix(err, "%s", path);
    const char *slash = strrchr(path, '/');
    char *folder = xstrndup(path, slash ? (size_t)(slash + 1 - path) : 0);
    bool ok = open_listed(c, map, folder, err);
    free(folder);
    if (!ok || c->n_tensors == json_object_size(map))
        return ok;
    qsort(c->tensors, c->n_tensors, sizeof c->tensors[0], by_name);
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)map, name, value)
        if (!checkpoint_find(c, name))
            return error_set(err, "%s: tensor %s is not in %s", path, name, json_string_value(value));
    bug("%s: %zu tensors found, %zu listed", path, c->n_tensors, json_object_size(map));
}

/* The index or file of a folder that holds its tensors: a new path, or NULL with err set. */
static char *choose_file(const char *folder, Error *err)
{
    DIR *d = opendir(folder);
    if (!d) {
        error_set(err, "%s: %s", folder, strerror(errno));
        return NULL;
    }
    char *best = NULL;
    int best_rank = 0, equals = 0;
    for (struct dirent *e; (e = readdir(d));) {
        const char *n = e->d_name;
        int rank = strcmp(n, "model.safetensors.index.json") == 0 ? 5
                   : ends_with(n, ".safetensors.index.json")      ? 4
                   : strcmp(n, "model.safetensors") == 0          ? 3
                   : strcmp(n, "adapter_model.safetensors") == 0  ? 2
                   : ends_with(n, ".safetensors") && n[0] != '.'  ? 1
                                                                  : 0;
        if (rank == 0 || rank < best_rank)
            continue;
        equals = rank == best_rank ? equals + 1 : 1;
        best_rank = rank;
        free(best);
        best = xstrdup(n);
    }
    closedir(d);
    char *path = best && equals == 1 ? path_join(folder, best) : NULL;
    if (!best)
        error_set(err, "%s: no *.safetensors in this folder", folder);
    else if (!path)
        error_set(err, "%s: %d such files as %s and no model.safetensors.index.json; name one", folder, equals, best);
    free(best);
    return path;
}

Checkpoint *checkpoint_open(const char *path, Error *err)
{
    struct stat s;
    if (stat(path, &s) != 0) {
        error_set(err, "%s: %s", path, strerror(errno));
        return NULL;
    }
    Checkpoint *c = xcalloc(1, sizeof *c);
    c->path = xstrdup(path);
    c->headers = json_array();
    char *file = S_ISDIR(s.st_mode) ? choose_file(path, err) : xstrdup(path);
    bool ok = file && (ends_with(file, ".index.json") ? open_index(c, file, err) : add_file(c, xstrdup(file), err));
    free(file);
    if (!ok) {
        checkpoint_free(c);
        return NULL;
    }
    if (c->n_tensors > 1)
        qsort(c->tensors, c->n_tensors, sizeof c->tensors[0], by_name);
    c->digests = xcalloc(c->n_tensors + 1, sizeof *c->digests);
    for (size_t i = 0; i < c->n_tensors; i++)
        c->tensors[i].digest = &c->digests[i];
    return c;
}

void checkpoint_free(Checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_files; i++) {
        if (c->files[i].data)
            munmap(c->files[i].data, c->files[i].size);
        free(c->files[i].path);
    }
    free(c->digests);
    json_decref(c->headers);
    json_decref(c->index);
    arena_release(&c->arena);
    free(c->files);
    free(c->tensors);
    free(c->path);
    free(c);
}

/* ---- looking up ---- */

void checkpoint_forget(const Checkpoint *c)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (c->files[i].data)
            madvise(c->files[i].data, c->files[i].size, MADV_DONTNEED); /* clean pages of a file: the page cache keeps them */
}

size_t checkpoint_count(const Checkpoint *c)
{
    return c->n_tensors;
}

const StoredTensor *checkpoint_get(const Checkpoint *c, size_t i)
{
    if (i >= c->n_tensors)
        bug("tensor %zu of %zu", i, c->n_tensors);
    return &c->tensors[i];
}

const StoredTensor *checkpoint_find(const Checkpoint *c, const char *name)
{
    StoredTensor key = {.name = name};
    return c->n_tensors ? bsearch(&key, c->tensors, c->n_tensors, sizeof c->tensors[0], by_name) : NULL;
}

const char *checkpoint_path(const Checkpoint *c)
{
    return c->path;
}

const char *checkpoint_file(const Checkpoint *c, const StoredTensor *t)
{
    return c->files[t->file].path;
}

const char *checkpoint_metadata(const Checkpoint *c, const char *key)
{
    const json_t *metadata = json_object_get(json_array_get(c->headers, 0), "__metadata__");
    return json_string_value(json_object_get(metadata, key));
}
