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
#include <xxhash.h>

#include "base/hash.h"
#include "base/hashmap.h"
#include "extract/texts.h"
#include "media/image.h"

enum { ELEMENT_MAX = 16 << 20 };

enum { SPLITS = 4, SPLIT_NAME = 16 };

struct Captions;

/* What of each of Karpathy's splits was asked for and found: told at the end, so that two evaluations can be held beside each
 * other. */
typedef struct Tally {
    char split[SPLIT_NAME];
    int64_t count;
    XXH3_state_t *ids; /* owned: the ids, each with a newline */
} Tally;

struct Coco {
    const SourceSettings *s;
    FILE *file;
    int64_t at;    /* bytes read */
    int64_t index; /* of the next element of images */
    Buffer text;   /* the element, or string, being read */
    bool inside, ended;
    const char *list;          /* the key of the list that is read: "images" or "annotations" */
    struct Captions *captions; /* owned: of COCO's own file, once an image has shown that it is one */
    Tally tallies[SPLITS];
};

/* The captions of COCO's own file by image. */
typedef struct Captions {
    HashMap images; /* of an image's id: which list, from 1 */
    Source *lists;  /* owned; only their references are used */
    size_t count, capacity;
} Captions;

Coco *coco_new(const SourceSettings *s)
{
    Coco *c = xcalloc(1, sizeof *c);
    c->s = s;
    c->list = "images";
    c->file = fopen(s->coco, "rb");
    if (!c->file)
        die("open %s:", s->coco);
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
    fclose(c->file);
    for (size_t i = 0; i < SPLITS; i++)
        XXH3_freeState(c->tallies[i].ids);
    buffer_release(&c->text);
    captions_free(c->captions);
    free(c);
}

static int get(Coco *c)
{
    int ch = getc_unlocked(c->file);
    c->at += ch != EOF;
    return ch;
}

static int get_solid(Coco *c)
{
    int ch;
    do
        ch = get(c);
    while (ch == ' ' || ch == '\t' || ch == '\n' || ch == '\r');
    return ch;
}

/* Reads the rest of a string after its opening quote into c->text, escapes as they are. */
static bool read_string(Coco *c)
{
    uint8_t b;
    int ch;
    while ((ch = get(c)) != EOF && ch != '"') {
        b = (uint8_t)ch;
        buffer_add(&c->text, &b, 1);
        if (ch == '\\') {
            if ((ch = get(c)) == EOF)
                return false;
            b = (uint8_t)ch;
            buffer_add(&c->text, &b, 1);
        }
        if (c->text.size > ELEMENT_MAX)
            return false;
    }
    return ch == '"';
}

/* Reads one value that begins with `ch` into c->text when keep, else past it. *next: the byte after a number or word. */
static bool read_value(Coco *c, int ch, bool keep, int *next)
{
    int depth = 0;
    *next = 0;
    c->text.size = 0;
    for (; ch != EOF; ch = get(c)) {
        uint8_t b = (uint8_t)ch;
        if (!keep)
            c->text.size = 0;
        if (depth == 0 && (ch == ',' || ch == '}' || ch == ']')) { /* after a number or a word */
            *next = ch;
            return true;
        }
        buffer_add(&c->text, &b, 1);
        if (ch == '"') {
            if (!read_string(c))
                return false;
            buffer_add(&c->text, &b, 1);
        }
        depth += (ch == '{' || ch == '[') - (ch == '}' || ch == ']');
        if (c->text.size > ELEMENT_MAX)
            return false;
        if (depth == 0 && (ch == '"' || ch == '}' || ch == ']'))
            return true;
    }
    return false;
}

/* Goes to the first element of the list; false where there is none. */
static bool find_list(Coco *c)
{
    int ch = get_solid(c), next;
    if (ch != '{')
        return false;
    while ((ch = get_solid(c)) == '"' || ch == ',') {
        if (ch == ',')
            continue;
        c->text.size = 0;
        if (!read_string(c) || get_solid(c) != ':')
            return false;
        bool found = c->text.size == strlen(c->list) && memcmp(c->text.data, c->list, c->text.size) == 0;
        ch = get_solid(c);
        if (found)
            return c->inside = ch == '[';
        if (!read_value(c, ch, false, &next) || next == '}')
            return false;
    }
    return false;
}

static bool problem(Coco *c, Source *out, const char *what)
{
    out->name = xasprintf("%s[%lld]", c->s->coco, (long long)c->index);
    out->label = xstrdup(out->name);
    out->problem = xasprintf("%s at byte %lld, expected {\"%s\": [{..}, ..]}", what, (long long)c->at, c->list);
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

/* The next element of the list; NULL at its end, and where it is broken: *what then says how. */
static json_t *next_element(Coco *c, json_error_t *why, const char **what)
{
    int next;
    *what = NULL;
    if (!c->inside && !find_list(c)) {
        *what = "no such list";
        return NULL;
    }
    int ch = get_solid(c);
    if (ch == ',' && c->index > 0)
        ch = get_solid(c);
    if (ch == ']')
        return NULL;
    json_t *element = NULL;
    if (ch != '{' || !read_value(c, ch, true, &next))
        *what = ch == EOF || feof(c->file) ? "the file ends" : "unexpected text";
    else if (!(element = json_loadb((const char *)c->text.data, c->text.size, 0, why)))
        *what = why->text;
    return element;
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
    Coco *second = coco_new(c->s);
    json_error_t why;
    const char *what;
    json_t *element;
    second->list = "annotations";
    c->captions = xcalloc(1, sizeof *c->captions);
    while ((element = next_element(second, &why, &what))) {
        json_t *image = json_object_get(element, "image_id");
        const char *caption = json_string_value(json_object_get(element, "caption"));
        if (json_is_integer(image) && caption) {
            Source *of = captions_of(c->captions, json_integer_value(image), true);
            of->references = xrealloc(of->references, of->n_references + 1, sizeof *of->references);
            of->references[of->n_references++] = xstrdup(caption);
        }
        json_decref(element);
        second->index++;
    }
    bool ok = !what;
    if (what)
        problem(second, out, what);
    c->ended |= !ok;
    coco_free(second);
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

static void tally_add(Coco *c, const char *split, const char *id)
{
    size_t i = 0;
    while (i < SPLITS && c->tallies[i].ids && strcmp(c->tallies[i].split, split) != 0)
        i++;
    if (i == SPLITS || strlen(split) >= SPLIT_NAME) /* not Karpathy's */
        return;
    Tally *t = &c->tallies[i];
    if (!t->ids) {
        strcpy(t->split, split);
        XXH3_64bits_reset(t->ids = XXH3_createState());
    }
    t->count++;
    XXH3_64bits_update(t->ids, id, strlen(id));
    XXH3_64bits_update(t->ids, "\n", 1);
}

/* How many images a split of Karpathy's own dataset_coco.json has; 0: none is known by that name. */
static int64_t split_size(const char *split)
{
    static const struct {
        const char *name;
        int64_t images;
    } known[SPLITS] = {{"train", 82783}, {"restval", 30504}, {"val", 5000}, {"test", 5000}};
    for (size_t i = 0; i < SPLITS; i++)
        if (strcmp(known[i].name, split) == 0)
            return known[i].images;
    return 0;
}

static void tallies_tell(const Coco *c)
{
    static bool told; /* once, however often the file is read */
    if (told)
        return;
    told = true;
    const char *slash = strrchr(c->s->coco, '/');
    const bool original = strcmp(slash ? slash + 1 : c->s->coco, "dataset_coco.json") == 0;
    for (size_t i = 0; i < SPLITS && c->tallies[i].ids; i++) {
        const Tally *t = &c->tallies[i];
        const int64_t size = original ? split_size(t->split) : 0;
        warn("%s: split %s: %lld images, ids %s", c->s->coco, t->split, (long long)t->count,
             digest_text(XXH3_64bits_digest(t->ids)).text);
        if (size > 0 && size != t->count)
            warn("%s: Karpathy's split %s has %lld images: figures will not be those of others", c->s->coco, t->split,
                 (long long)size);
    }
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
        tally_add(c, split, out->name);
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
    json_error_t why;
    const char *what;
    json_t *element;
    bool wanted = false;
    *out = (Source){0};
    while (!wanted && !c->ended && (element = next_element(c, &why, &what))) {
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
    if (!what)
        tallies_tell(c);
    return what && problem(c, out, what);
}
