/* References from a file; see references.h. */
#include "eval/references.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_elements.h"
#include "base/msg.h"
#include "eval/image_names.h"
#include "stage/split.h"

typedef struct SetImage {
    int64_t id;
    const char *file; /* in the arena; "" for none */
    bool found;       /* a record asked for it */
    Slice *texts;     /* owned array; texts in the arena */
    size_t n, capacity;
} SetImage;

struct ReferenceSet {
    const char *path; /* borrowed */
    char *split;      /* owned; NULL: none asked for */
    char *example;    /* owned */
    SetImage *images; /* owned */
    size_t n, capacity, texts;
    ImageNames names;
    Digest split_digest;
    Arena arena;
};

static size_t add_image(ReferenceSet *s, int64_t id, const char *file)
{
    size_t i = image_names_id(&s->names, id);
    if (i == SIZE_MAX) {
        s->images = array_reserve(s->images, &s->capacity, s->n + 1, sizeof *s->images);
        i = s->n++;
        s->images[i] = (SetImage){.id = id, .file = ""};
    }
    image_names_add(&s->names, i, id, file);
    if (file)
        s->images[i].file = arena_strndup(&s->arena, base_name(file), strlen(base_name(file)));
    return i;
}

static void add_text(ReferenceSet *s, size_t image, const json_t *text)
{
    SetImage *m = &s->images[image];
    if (!json_is_string(text))
        return;
    size_t size = json_string_length(text);
    m->texts = array_reserve(m->texts, &m->capacity, m->n + 1, sizeof *m->texts);
    m->texts[m->n++] = (Slice){arena_strndup(&s->arena, json_string_value(text), size), size};
    s->texts++;
}

/* ---- the two kinds of file ---- */

static bool karpathy_wanted(const ReferenceSet *s, const json_t *e)
{
    const char *split = json_string_value(json_object_get(e, "split"));
    return !s->split || (split && strcmp(split, s->split) == 0);
}

static bool take_image(ReferenceSet *s, const json_t *e, Error *err)
{
    const json_t *sentences = json_object_get(e, "sentences"), *id = json_object_get(e, "id"), *sentence;
    const char *file = json_string_value(json_object_get(e, sentences ? "filename" : "file_name"));
    size_t i;
    if (sentences) {
        id = json_object_get(e, "cocoid");
        id = id ? id : json_object_get(e, "imgid");
        if (!karpathy_wanted(s, e))
            return true;
    }
    if (!json_is_integer(id))
        return error_set_status(err, STATUS_CORRUPT, "%s: an image without an integer as id (file %s)", s->path,
                                file ? file : "?");
    size_t image = add_image(s, json_integer_value(id), file);
    json_array_foreach (sentences, i, sentence)
        add_text(s, image, json_object_get(sentence, "raw"));
    return true;
}

static bool take_annotation(ReferenceSet *s, const json_t *e, Error *err)
{
    const json_t *id = json_object_get(e, "image_id"), *text = json_object_get(e, "caption");
    if (!json_is_integer(id) || !json_is_string(text))
        return error_set_status(err, STATUS_CORRUPT, "%s: an annotation without image_id and caption: expected captions_*.json",
                                s->path);
    add_text(s, add_image(s, json_integer_value(id), NULL), text);
    return true;
}

/* ---- the split ---- */

static Digest ids_digest(const ReferenceSet *s)
{
    SplitIds ids = {0};
    for (size_t i = 0; i < s->n; i++)
        split_ids_add(&ids, s->images[i].id);
    Digest d = split_ids_digest(&ids);
    split_ids_release(&ids);
    return d;
}

static bool check_split(ReferenceSet *s, const char *digest, Error *err)
{
    if (s->n == 0)
        return error_set_status(err, s->split ? STATUS_MISMATCH : STATUS_EMPTY, "%s: no images in it%s%s", s->path,
                                s->split ? " of split " : "", s->split ? s->split : "");
    s->split_digest = ids_digest(s);
    if (digest && strcmp(digest, s->split_digest.text) != 0)
        return error_set_status(err, STATUS_MISMATCH, "%s: split %s has %zu images whose ids have digest %s, expected %s",
                                s->path, s->split, s->n, s->split_digest.text, digest);
    char *differs = s->split ? split_differs(s->path, s->split, (int64_t)s->n, &s->split_digest) : NULL;
    if (differs)
        warn("%s: %s", s->path, differs);
    free(differs);
    return true;
}

ReferenceSet *reference_set_open(const char *path, const char *split, Error *err)
{
    static const char *const keys[] = {"images", "annotations", NULL};
    const char *equals = split ? strchr(split, '=') : NULL, *key;
    ReferenceSet *s = xcalloc(1, sizeof *s);
    JsonElements *file = json_elements_open(path, keys, err);
    json_t *e;
    bool ok = file != NULL;
    s->path = path;
    s->split = split ? xstrndup(split, equals ? (size_t)(equals - split) : strlen(split)) : NULL;
    while (ok && (e = json_elements_next(file, &key, err))) {
        ok = strcmp(key, "images") == 0 ? take_image(s, e, err) : s->split ? true : take_annotation(s, e, err);
        json_decref(e);
    }
    json_elements_close(file);
    if (!ok || err->text[0] || !check_split(s, equals ? equals + 1 : NULL, err)) {
        reference_set_free(s);
        return NULL;
    }
    s->example = image_names_say(s->images[0].id, s->images[0].file);
    return s;
}

void reference_set_free(ReferenceSet *s)
{
    if (!s)
        return;
    for (size_t i = 0; i < s->n; i++)
        free(s->images[i].texts);
    free(s->images);
    free(s->split);
    free(s->example);
    image_names_release(&s->names);
    arena_release(&s->arena);
    free(s);
}

/* ---- asking ---- */

size_t reference_set_find(const ReferenceSet *s, Slice id, Slice path)
{
    size_t i = image_names_find(&s->names, id, path);
    if (i != SIZE_MAX)
        s->images[i].found = true;
    return i;
}

const Slice *reference_set_texts(const ReferenceSet *s, size_t i, size_t *n)
{
    *n = s->images[i].n;
    return s->images[i].texts;
}

const char *reference_set_example(const ReferenceSet *s)
{
    return s->example;
}

bool reference_set_complete(const ReferenceSet *s, Error *err)
{
    size_t missing = 0, first = 0;
    for (size_t i = s->n; s->split && i-- > 0;)
        if (!s->images[i].found) {
            missing++;
            first = i;
        }
    return missing == 0 ||
           error_set_status(err, STATUS_MISMATCH, "%s: %zu of the %zu images of split %s have no caption, the first is %lld",
                            s->path, missing, s->n, s->split, (long long)s->images[first].id);
}

json_t *reference_set_json(const ReferenceSet *s)
{
    json_t *o = json_pack("{s:s, s:I, s:I}", "name", s->path, "images", (json_int_t)s->n, "texts", (json_int_t)s->texts);
    if (s->split)
        json_object_set_new(
            o, "split",
            json_pack("{s:s, s:I, s:s}", "name", s->split, "images", (json_int_t)s->n, "digest", s->split_digest.text));
    return o;
}
