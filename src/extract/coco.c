/*
 * dataset_coco.json in Karpathy's splits: {"images": [{"filepath", "filename", "cocoid", "split", "sentences": [{"raw"}]}]}; and
 * COCO's own captions_*.json: {"images": [{"id", "file_name"}], "annotations": [{"image_id", "caption"}]}.
 * The files are hundreds of megabytes, so their text is scanned and only one object is in memory at a time; of COCO's own all
 * captions are, read in a pass before that of the images, for they may stand behind them.
 * https://cs.stanford.edu/people/karpathy/deepimagesent/
 */
#include "extract/coco.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/hashmap.h"
#include "base/json_elements.h"
#include "extract/texts.h"
#include "media/image.h"
#include "stage/split.h"

enum { SPLITS = 4, SPLIT_NAME = 16 };

struct Captions;

/* What of each of Karpathy's splits was asked for and found: told at the end, so that two evaluations can be held beside each
 * other. */
typedef struct Tally {
    char split[SPLIT_NAME];
    int64_t count;
    SplitIds ids; /* those that are integers, as COCO's are */
} Tally;

struct Coco {
    const SourceSettings *s;
    JsonElements *file; /* its "images" */
    int64_t index;      /* of the next of them */
    bool ended;
    struct Captions *captions; /* owned: of COCO's own file, once an image has shown that it is one */
    Tally tallies[SPLITS];
};

/* The captions of COCO's own file by image. */
typedef struct Captions {
    HashMap images; /* of an image's id: which list, from 1 */
    Source *lists;  /* owned; only their references are used */
    size_t count, capacity;
} Captions;

static JsonElements *elements_open(const char *path, const char *const *keys)
{
    Error err = {0};
    JsonElements *file = json_elements_open(path, keys, &err);
    if (!file)
        die("%s", err.text);
    return file;
}

Coco *coco_new(const SourceSettings *s)
{
    static const char *const keys[] = {"images", NULL};
    Coco *c = xcalloc(1, sizeof *c);
    c->s = s;
    c->file = elements_open(s->coco, keys);
    return c;
}

static void captions_free(Captions *all)
{
    for (size_t i = 0; all && i < all->count; i++)
        texts_release(&all->lists[i]);
    if (all) {
        free(all->lists);
        hashmap_release(&all->images);
    }
    free(all);
}

void coco_free(Coco *c)
{
    if (!c)
        return;
    json_elements_close(c->file);
    for (size_t i = 0; i < SPLITS; i++)
        split_ids_release(&c->tallies[i].ids);
    captions_free(c->captions);
    free(c);
}

/* A source that says what is wrong with the file, at the element of that number. */
static bool problem(Coco *c, Source *out, const JsonElements *file, int64_t index, const Error *err)
{
    const char *what = json_elements_problem(file);
    out->name = xasprintf("%s[%lld]", c->s->coco, (long long)index);
    out->label = xstrdup(out->name);
    out->problem = xstrdup(what ? what : err->text);
    c->ended = true;
    return true;
}

/* Whether a relative path stays below where it starts. */
static bool stays_below(const char *path)
{
    if (*path == '/')
        return false;
    while (*path) {
        size_t n = strcspn(path, "/");
        if (n == 2 && path[0] == '.' && path[1] == '.')
            return false;
        path += n + (path[n] == '/');
    }
    return true;
}

static bool split_wanted(const SourceSettings *s, const char *split)
{
    for (size_t i = 0; i < s->split.count; i++)
        if (split && strcmp(s->split.items[i], split) == 0)
            return true;
    return s->split.count == 0;
}

static void take_references(Source *out, json_t *sentences)
{
    size_t i;
    json_t *sentence;
    out->references = xcalloc(json_array_size(sentences) + 1, sizeof *out->references);
    json_array_foreach (sentences, i, sentence) {
        const char *raw = json_string_value(json_object_get(sentence, "raw"));
        if (raw)
            out->references[out->n_references++] = xstrdup(raw);
    }
}

static Source *captions_of(Captions *all, int64_t image, bool make)
{
    const uint64_t key = hash_id(&image, sizeof image);
    int64_t at = hashmap_get(&all->images, key);
    if (at == 0 && make) {
        all->lists = array_reserve(all->lists, &all->capacity, all->count + 1, sizeof *all->lists);
        all->lists[all->count++] = (Source){0};
        *hashmap_at(&all->images, key) = at = (int64_t)all->count;
    }
    return at > 0 ? &all->lists[at - 1] : NULL;
}

/* Reads all annotations of the file; false where they are broken: then out says how. */
static bool read_captions(Coco *c, Source *out)
{
    static const char *const keys[] = {"annotations", NULL};
    JsonElements *file = elements_open(c->s->coco, keys);
    Error err = {0};
    const char *key;
    int64_t index = 0;
    c->captions = xcalloc(1, sizeof *c->captions);
    for (json_t *element; (element = json_elements_next(file, &key, &err)); json_decref(element), index++) {
        json_t *image = json_object_get(element, "image_id");
        const char *caption = json_string_value(json_object_get(element, "caption"));
        if (json_is_integer(image) && caption) {
            Source *of = captions_of(c->captions, json_integer_value(image), true);
            of->references = xrealloc(of->references, of->n_references + 1, sizeof *of->references);
            of->references[of->n_references++] = xstrdup(caption);
        }
    }
    bool ok = !err.text[0] || !problem(c, out, file, index, &err);
    json_elements_close(file);
    return ok;
}

/* A source from one image of COCO's own file. */
static void take_image(Coco *c, Source *out, json_t *e)
{
    const char *file = json_string_value(json_object_get(e, "file_name"));
    json_t *id = json_object_get(e, "id");
    out->name = json_is_integer(id) ? xasprintf("%lld", (long long)json_integer_value(id)) : xstrdup(file);
    out->label = path_join(c->s->root, file);
    if (c->s->split.count > 0)
        out->problem = xasprintf("%s is COCO's own file, which has no splits: leave --split out", c->s->coco);
    else if (!stays_below(file))
        out->problem = xasprintf("images[%lld]: path '%s' leads out of %s", (long long)c->index, file, c->s->root);
    else
        out->path = xstrdup(out->label);
    c->ended |= c->s->split.count > 0;
    out->regular_only = true;
    const Source *of = json_is_integer(id) ? captions_of(c->captions, json_integer_value(id), false) : NULL;
    if (of)
        texts_copy(out, of);
}

static void tally_add(Coco *c, const char *split, const json_t *id)
{
    size_t i = 0;
    while (i < SPLITS && c->tallies[i].count > 0 && strcmp(c->tallies[i].split, split) != 0)
        i++;
    if (i == SPLITS || strlen(split) >= SPLIT_NAME) /* not Karpathy's */
        return;
    Tally *t = &c->tallies[i];
    if (t->count++ == 0)
        strcpy(t->split, split);
    if (json_is_integer(id))
        split_ids_add(&t->ids, json_integer_value(id));
}

static void tally_tell(const char *path, Tally *t)
{
    const bool known = (int64_t)t->ids.count == t->count;
    const Digest digest = split_ids_digest(&t->ids);
    char *differs = split_differs(path, t->split, t->count, known ? &digest : NULL);
    warn("%s: split %s: %lld images, ids %s", path, t->split, (long long)t->count, known ? digest.text : "that are no integers");
    if (differs)
        warn("%s: %s", path, differs);
    free(differs);
}

static void tallies_tell(Coco *c)
{
    static bool told; /* once, however often the file is read */
    for (size_t i = 0; i < SPLITS && c->tallies[i].count > 0 && !told; i++)
        tally_tell(c->s->coco, &c->tallies[i]);
    told = true;
}

/* A source from one element, or one that says what is wrong with it. False: another split. */
static bool take_element(Coco *c, Source *out, json_t *e)
{
    const char *file = json_string_value(json_object_get(e, "filename")),
               *folder = json_string_value(json_object_get(e, "filepath")),
               *split = json_string_value(json_object_get(e, "split"));
    if (!split_wanted(c->s, split))
        return false;
    json_t *id = json_object_get(e, "cocoid");
    char *below = xasprintf("%s%s%s", folder ? folder : "", folder && *folder ? "/" : "", file ? file : "");
    out->name = json_is_integer(id)  ? xasprintf("%lld", (long long)json_integer_value(id))
                : json_is_string(id) ? xstrdup(json_string_value(id))
                                     : xstrdup(below);
    if (split)
        tally_add(c, split, id);
    out->label = path_join(c->s->root, below);
    if (!file || !*file)
        out->problem = xasprintf("images[%lld] has no filename", (long long)c->index);
    else if (!stays_below(below))
        out->problem = xasprintf("images[%lld]: path '%s' leads out of %s", (long long)c->index, below, c->s->root);
    else
        out->path = xstrdup(out->label);
    out->regular_only = true;
    free(below);
    take_references(out, json_object_get(e, "sentences"));
    return true;
}

bool coco_next(Coco *c, Source *out)
{
    Error err = {0};
    const char *key;
    json_t *element;
    bool wanted = false;
    *out = (Source){0};
    while (!wanted && !c->ended && (element = json_elements_next(c->file, &key, &err))) {
        bool own = json_is_string(json_object_get(element, "file_name"));
        if (own && !c->captions && !read_captions(c, out))
            wanted = true; /* it says what is wrong */
        else if (own)
            take_image(c, out, element);
        else
            wanted = take_element(c, out, element);
        wanted |= own;
        json_decref(element);
        c->index++;
    }
    if (wanted || c->ended)
        return wanted;
    c->ended = true;
    if (err.text[0])
        return problem(c, out, c->file, c->index, &err);
    tallies_tell(c);
    return false;
}
