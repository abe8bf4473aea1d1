/* Checkpoints: files mapped, folders and indexes searched, tensors looked up. See checkpoint.h; the files' own formats are read
 * in safetensors.c and torch.c. */
#include "checkpoint/checkpoint.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json_file.h"
#include "base/mapped.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/torch.h"

typedef struct CheckpointFile {
    char *path;                /* owned */
    const unsigned char *data; /* mapped */
    size_t size;
} CheckpointFile;

struct Checkpoint {
    char *path; /* owned */
    CheckpointFile *files;
    size_t n_files;
    StoredList tensors; /* in order of name once open */
    uint64_t *digests;  /* one a tensor, owned: what StoredTensor.digest points to */
    json_t *headers;    /* array, owned: names and dtypes are borrowed from it */
    json_t *index;      /* owned, or NULL */
    Arena arena;        /* owned: names of torch files */
};

/* ---- one file ---- */

static int by_name(const void *a, const void *b)
{
    return strcmp(((const StoredTensor *)a)->name, ((const StoredTensor *)b)->name);
}

/* The tensors of a file in order of name, each once. A header in JSON has told that already. */
static bool check_names(StoredTensor *tensors, size_t n, Error *err)
{
    if (n > 1)
        qsort(tensors, n, sizeof tensors[0], by_name);
    for (size_t i = 1; i < n; i++)
        if (strcmp(tensors[i - 1].name, tensors[i].name) == 0)
            return error_set(err, "tensor %s: twice in one file", tensors[i].name);
    return true;
}

static bool read_safetensors(Checkpoint *c, const CheckpointFile *f, Error *err)
{
    json_t *header;
    bool ok = safetensors_read(f->data, f->size, &header, &c->tensors, err);
    if (header)
        json_array_append_new(c->headers, header);
    return ok;
}

static bool read_file(Checkpoint *c, size_t file, Error *err)
{
    const CheckpointFile *f = &c->files[file];
    static const unsigned char old_magic[] = {0x80, 2, 0x8a, 10, 0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
    bool zip = f->size >= 4 && memcmp(f->data, "PK\3\4", 4) == 0;
    if (f->size >= sizeof old_magic && memcmp(f->data, old_magic, sizeof old_magic) == 0)
        return error_set(err, "a file of torch.save before 1.6; save it again with torch 1.6 or later");
    size_t first = c->tensors.count;
    if (zip ? !torch_read(f->data, f->size, &c->arena, &c->tensors, err) : !read_safetensors(c, f, err))
        return false;
    for (size_t i = first; i < c->tensors.count; i++)
        c->tensors.items[i].file = file;
    return c->tensors.count == first || check_names(c->tensors.items + first, c->tensors.count - first, err);
}

/* ---- files and folders ---- */

/* A file that is not there, or is none, is damage of the checkpoint; one that cannot be read now is not. */
static bool map_file(CheckpointFile *f, Error *err)
{
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without writer is opened, and refused */
    if (fd < 0)
        return error_set_status(err, errno == ENOENT ? STATUS_CORRUPT : STATUS_FAILURE, "%s", strerror(errno));
    bool ok = mapped_open(&f->data, &f->size, fd, f->path, err);
    close(fd);
    return ok;
}

/* Takes path. */
static bool add_file(Checkpoint *c, char *path, Error *err)
{
    c->files = xrealloc(c->files, c->n_files + 1, sizeof c->files[0]);
    c->files[c->n_files] = (CheckpointFile){.path = path};
    c->n_files++;
    bool mapped = map_file(&c->files[c->n_files - 1], err);
    if (mapped && read_file(c, c->n_files - 1, err))
        return true;
    if (mapped && (err->status == 0 || err->status == STATUS_FAILURE))
        err->status = STATUS_CORRUPT;
    return error_prefix(err, "%s", path);
}

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), m = strlen(end);
    return n >= m && strcmp(s + n - m, end) == 0;
}

/* Whether an index lists files of tensors, and only plain names of them. */
static bool check_index(const json_t *map, Error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(map) || json_object_size(map) == 0)
        return error_set(err, "weight_map is missing or empty");
    json_object_foreach ((json_t *)map, name, value) {
        const char *file = json_string_value(value);
        if (!file || (!ends_with(file, ".safetensors") && !ends_with(file, ".bin")) || strchr(file, '/'))
            return error_set(err, "tensor %s: \"%.64s\" is not a .safetensors or .bin file of this folder", name,
                             file ? file : "");
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
    for (size_t i = 0; ok && i < c->tensors.count; i++) {
        const json_t *file = json_object_get(map, c->tensors.items[i].name);
        if (file && (size_t)json_integer_value(json_object_get(seen, json_string_value(file))) == c->tensors.items[i].file)
            c->tensors.items[kept++] = c->tensors.items[i];
    }
    c->tensors.count = ok ? kept : c->tensors.count;
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
    if (!ok || c->tensors.count == json_object_size(map))
        return ok;
    qsort(c->tensors.items, c->tensors.count, sizeof c->tensors.items[0], by_name);
    const char *name;
    json_t *value;
    json_object_foreach ((json_t *)map, name, value)
        if (!checkpoint_find(c, name))
            return error_set(err, "%s: tensor %s is not in %s", path, name, json_string_value(value));
    bug("%s: %zu tensors found, %zu listed", path, c->tensors.count, json_object_size(map));
}

/*
 * Where a folder's tensors are looked for, the surest name last: safetensors before torch's files, Hugging Face's names before
 * open_clip's, which lie in the same folder. 0: a file of something else.
 */
static int rank_name(const char *name)
{
    static const char *const ends[] = {".safetensors",      "open_clip_pytorch_model.bin",  "open_clip_model.safetensors",
                                       "pytorch_model.bin", "pytorch_model.bin.index.json", "adapter_model.safetensors",
                                       "model.safetensors", ".safetensors.index.json",      "model.safetensors.index.json"};
    for (int i = sizeof ends / sizeof ends[0]; i > 0; i--)
        if (ends[i - 1][0] == '.' ? name[0] != '.' && ends_with(name, ends[i - 1]) : strcmp(name, ends[i - 1]) == 0)
            return i;
    return 0;
}

/* The index or file of a folder that holds its tensors: a new path, or NULL with err set. */
static char *choose_file(const char *folder, Error *err)
{
    FolderNames names;
    if (!folder_names(&names, folder, err))
        return NULL;
    char *best = NULL;
    int best_rank = 0, equals = 0;
    for (size_t i = 0; i < names.count; i++) {
        const char *n = names.items[i];
        int rank = rank_name(n);
        if (rank == 0 || rank < best_rank)
            continue;
        equals = rank == best_rank ? equals + 1 : 1;
        best_rank = rank;
        free(best);
        best = xstrdup(n);
    }
    folder_names_release(&names);
    char *path = best && equals == 1 ? path_join(folder, best) : NULL;
    if (!best)
        error_set(err, "%s: no *.safetensors and no pytorch_model.bin in this folder", folder);
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
    if (c->tensors.count > 1)
        qsort(c->tensors.items, c->tensors.count, sizeof c->tensors.items[0], by_name);
    c->digests = xcalloc(c->tensors.count + 1, sizeof *c->digests);
    for (size_t i = 0; i < c->tensors.count; i++)
        c->tensors.items[i].digest = &c->digests[i];
    return c;
}

void checkpoint_free(Checkpoint *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_files; i++) {
        mapped_close(c->files[i].data, c->files[i].size);
        free(c->files[i].path);
    }
    free(c->digests);
    json_decref(c->headers);
    json_decref(c->index);
    arena_release(&c->arena);
    free(c->files);
    free(c->tensors.items);
    free(c->path);
    free(c);
}

/* ---- looking up ---- */

void checkpoint_forget(const Checkpoint *c)
{
    for (size_t i = 0; i < c->n_files; i++)
        if (c->files[i].data)
            mapped_forget(c->files[i].data, c->files[i].size);
}

size_t checkpoint_count(const Checkpoint *c)
{
    return c->tensors.count;
}

const StoredTensor *checkpoint_get(const Checkpoint *c, size_t i)
{
    if (i >= c->tensors.count)
        bug("tensor %zu of %zu", i, c->tensors.count);
    return &c->tensors.items[i];
}

const StoredTensor *checkpoint_find(const Checkpoint *c, const char *name)
{
    StoredTensor key = {.name = name};
    return c->tensors.count ? bsearch(&key, c->tensors.items, c->tensors.count, sizeof c->tensors.items[0], by_name) : NULL;
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
