/* vlrm-weights convert and merge: tensors go from one mapping to one file, a buffer at a time. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "models/config.h"
#include "weights/weights.h"

TensorSource weights_source(const StoredTensor *t, const char *dtype)
{
    TensorSource s = {.name = t->name, .shape = t->shape, .dtype = t->dtype, .type = t->type, .data = t->data};
    if (!t->real_valued || !dtype || strcmp(dtype, t->dtype) == 0) {
        s.raw = true;
        s.raw_bytes = t->bytes;
    } else {
        s.dtype = dtype;
    }
    return s;
}

size_t weights_value_size(const char *dtype)
{
    static const struct {
        const char *name;
        size_t size;
    } types[] = {{"F16", 2}, {"BF16", 2}, {"F32", 4}, {"F64", 8}};
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(dtype, types[i].name) == 0)
            return types[i].size;
    return 0;
}

static void write_or_die(const char *path, const TensorSource *sources, size_t n)
{
    static const char *const metadata[] = {"format", "pt", NULL}; /* transformers insists on it */
    Error err = {0};
    if (!safetensors_write(path, sources, n, metadata, &err))
        weights_die(&err);
}

bool weights_there(const char *path)
{
    Error err = {0};
    bool there;
    if (!path_exists(path, &there, &err))
        weights_die(&err);
    return there;
}

void weights_folder(const char *folder)
{
    Error err = {0};
    if (!folder_make(folder, &err))
        weights_die(&err);
    char *index = path_join(folder, "model.safetensors.index.json");
    if (weights_there(index))
        die("%s: holds model.safetensors.index.json, which would hide what is written there", folder);
    free(index);
}

void weights_write_folder(const char *folder, const TensorSource *sources, size_t n)
{
    weights_folder(folder);
    char *path = path_join(folder, "model.safetensors");
    write_or_die(path, sources, n);
    free(path);
}

int weights_convert(const char *in, const char *out, const char *dtype)
{
    Checkpoint *c = weights_open(in);
    TensorSource *sources = xcalloc(checkpoint_count(c) + 1, sizeof *sources);
    for (size_t i = 0; i < checkpoint_count(c); i++)
        sources[i] = weights_source(checkpoint_get(c, i), dtype);
    write_or_die(out, sources, checkpoint_count(c));
    free(sources);
    checkpoint_free(c);
    return STATUS_CLEAN;
}

void weights_copy(const char *from, const char *to)
{
    Error err = {0};
    size_t size;
    char *data = file_read(from, &size, &err);
    if (!data || !file_write(to, data, size, &err))
        weights_die(&err);
    free(data);
}

static bool is_weights(const char *name)
{
    static const char *const ends[] = {".safetensors", ".bin", ".pt", ".pth", ".msgpack", ".h5", ".index.json", ".onnx"};
    size_t n = strlen(name);
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (n >= strlen(ends[i]) && strcmp(name + n - strlen(ends[i]), ends[i]) == 0)
            return true;
    return false;
}

/* A second tokenizer has a folder of its own (InstructBLIP's qformer_tokenizer). */
static bool is_tokenizer(const char *folder)
{
    char *file = path_join(folder, "tokenizer_config.json");
    const bool is = weights_there(file);
    free(file);
    return is;
}

/* A file beside the weights, or the folder of a tokenizer; other folders stay where they are. */
static void copy_other(const char *from, const char *to, const char *name)
{
    Error err = {0};
    char *source = path_join(from, name), *target = path_join(to, name);
    struct stat s;
    if (stat(source, &s) != 0)
        die("stat %s:", source);
    if (S_ISREG(s.st_mode)) {
        weights_copy(source, target);
    } else if (S_ISDIR(s.st_mode) && is_tokenizer(source)) {
        if (!folder_make(target, &err))
            weights_die(&err);
        weights_copy_others(source, target);
    }
    free(source);
    free(target);
}

void weights_copy_others(const char *from, const char *to)
{
    Error err = {0};
    FolderNames names;
    if (!folder_names(&names, from, &err))
        weights_die(&err);
    for (size_t i = 0; i < names.count; i++)
        if (names.items[i][0] != '.' && !is_weights(names.items[i]))
            copy_other(from, to, names.items[i]);
    folder_names_release(&names);
}

static _Noreturn void die_unknown(const Checkpoint *base, const Checkpoint *delta, const char *name)
{
    die_status(STATUS_MISMATCH, "%s: tensor %s is not in %s", checkpoint_path(delta), name, checkpoint_path(base));
}

/* Dies when the delta has what makes another kind of model than the base: a language model, an ITM head, a CLIP's text side. */
static void check_kind(const Checkpoint *base, const Checkpoint *delta)
{
    static const char *const marks[] = {"language_model.model.decoder.embed_tokens.weight", "itm_head.weight",
                                        "text_model.embeddings.token_embedding.weight"};
    for (size_t i = 0; i < sizeof marks / sizeof marks[0]; i++)
        if (checkpoint_find(delta, marks[i]) && !checkpoint_find(base, marks[i]))
            die_unknown(base, delta, marks[i]);
}

/* The names of the delta's tensors that the base has not, in one line. */
static void say_passed_over(const Checkpoint *base, const Checkpoint *delta, size_t n)
{
    size_t shown = 0;
    char *names = xstrdup("");
    for (size_t i = 0; i < checkpoint_count(delta) && shown < 8; i++) {
        const char *name = checkpoint_get(delta, i)->name;
        if (checkpoint_find(base, name))
            continue;
        char *longer = xasprintf("%s%s%s", names, shown++ ? ", " : "", name);
        free(names);
        names = longer;
    }
    warn("%s: %zu of its %zu tensors are not in %s and are skipped: %s%s", checkpoint_path(delta), n, checkpoint_count(delta),
         checkpoint_path(base), names, n > shown ? ", .." : "");
    free(names);
}

size_t weights_check_delta(const Checkpoint *base, const Checkpoint *delta, bool pass_over)
{
    char found[128], expected[128];
    size_t unknown = 0, count = checkpoint_count(delta);
    if (pass_over)
        check_kind(base, delta);
    for (size_t i = 0; i < count; i++) {
        const StoredTensor *t = checkpoint_get(delta, i), *old = checkpoint_find(base, t->name);
        if (!old && (!pass_over || ++unknown == count))
            die_unknown(base, delta, t->name);
        if (old && !shape_equal(&t->shape, &old->shape))
            die_status(STATUS_MISMATCH, "%s: tensor %s has shape %s, expected %s", checkpoint_path(delta), t->name,
                       shape_text(&t->shape, found), shape_text(&old->shape, expected));
    }
    if (unknown > 0)
        say_passed_over(base, delta, unknown);
    return count - unknown;
}

/* The type that the base stores its tensors in is kept, unless another is asked for. */
int weights_merge(const char *base_path, const char *delta_path, const char *out, const char *dtype)
{
    Checkpoint *base = weights_open(base_path), *delta = weights_open(delta_path);
    size_t replaced = weights_check_delta(base, delta, true);
    weights_folder(out);
    size_t rounded = 0;
    TensorSource *sources = xcalloc(checkpoint_count(base) + 1, sizeof *sources);
    for (size_t i = 0; i < checkpoint_count(base); i++) {
        const StoredTensor *old = checkpoint_get(base, i), *new = checkpoint_find(delta, old->name);
        sources[i] = weights_source(new ? new : old, dtype ? dtype : old->real_valued ? old->dtype : NULL);
        rounded += new &&weights_value_size(sources[i].dtype) < weights_value_size(new->dtype);
    }
    if (rounded > 0)
        warn("%s: %zu of its tensors are rounded to what %s has (--dtype f32 keeps them, and all others in f32)", delta_path,
             rounded, base_path);
    char *path = path_join(out, "model.safetensors");
    write_or_die(path, sources, checkpoint_count(base));
    weights_copy_others(base_path, out);
    note("%s: %zu of %zu tensors replaced", path, replaced, checkpoint_count(base));
    free(path);
    free(sources);
    checkpoint_free(base);
    checkpoint_free(delta);
    return STATUS_CLEAN;
}
