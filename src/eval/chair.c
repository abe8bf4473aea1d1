/* Objects in words and images; see chair.h. */
#include "eval/chair.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/json_elements.h"
#include "eval/image_names.h"

enum { NOTHING = CHAIR_OBJECTS, WORD_MAX = 48, SYNONYM_WORDS = 3 };

struct Chair {
    const char *instances, *synonyms; /* borrowed */
    char *names[CHAIR_OBJECTS];       /* owned: of categories */
    int64_t ids[CHAIR_OBJECTS];
    size_t n_names;
    Places words;    /* hash of one to three singular words: number of a category, or NOTHING */
    Objects *images; /* owned */
    size_t n_images, capacity;
    ImageNames by_name;
    char *example; /* owned */
    uint64_t digest;
};

/* ---- words ---- */

static bool ends(const char *word, size_t n, const char *tail)
{
    size_t t = strlen(tail);
    return n > t && memcmp(word + n - t, tail, t) == 0;
}

/* The singular of a lower-case word, in place; returns its size. -s goes but for -ss and -us; -ies, -ves and -es by their rules.
 */
static size_t singular(char *word, size_t n)
{
    static const char *const irregular[][2] = {
        {"men", "man"},   {"women", "woman"}, {"children", "child"}, {"people", "person"}, {"mice", "mouse"}, {"geese", "goose"},
        {"feet", "foot"}, {"teeth", "tooth"}, {"knives", "knife"},   {"wives", "wife"},    {"buses", "bus"},  {"skis", "ski"}};
    static const char *const es[] = {"sses", "shes", "ches", "xes", "zes", "oes"};
    word[n] = 0;
    for (size_t i = 0; i < sizeof irregular / sizeof irregular[0]; i++)
        if (strcmp(word, irregular[i][0]) == 0)
            return (size_t)(stpcpy(word, irregular[i][1]) - word);
    if (n <= 3 || word[n - 1] != 's' || ends(word, n, "ss") || ends(word, n, "us"))
        return n;
    if (ends(word, n, "ies") && n > 4) {
        word[n - 3] = 'y';
        return n - 2;
    }
    if (ends(word, n, "ves")) {
        word[n - 3] = 'f';
        return n - 2;
    }
    for (size_t i = 0; i < sizeof es / sizeof es[0]; i++)
        if (ends(word, n, es[i]))
            return n - 2;
    return n - 1;
}

/* The hash of the next word of a text, in the singular; moves *p behind it. 0 at the end. */
static uint64_t next_word(const char **p, const char *end)
{
    char word[WORD_MAX + 8];
    size_t n = 0;
    for (; *p < end; ++*p) {
        char c = (char)(**p | 0x20);
        bool letter = (**p & 0x40) && c >= 'a' && c <= 'z';
        if (letter && n < WORD_MAX)
            word[n++] = c;
        else if (!letter && n > 0)
            break;
    }
    n = n > 0 ? singular(word, n) : 0;
    return n > 0 ? hash_id(word, n) : 0;
}

/* Hashes of a text's words, new; the caller frees them. */
static uint64_t *words_new(Slice text, size_t *n)
{
    const char *p = text.data, *end = p + text.size;
    uint64_t *words = xmalloc((text.size / 2 + 2) * sizeof *words), word;
    *n = 0;
    while ((word = next_word(&p, end)))
        words[(*n)++] = word;
    return words;
}

static uint64_t phrase_hash(const uint64_t *words, size_t n)
{
    return hash_id(words, n * sizeof *words);
}

/* ---- the list ---- */

static size_t category_of(const Chair *c, const char *name, size_t n)
{
    for (size_t i = 0; i < c->n_names; i++)
        if (strlen(c->names[i]) == n && memcmp(c->names[i], name, n) == 0)
            return i;
    return SIZE_MAX;
}

static bool add_phrase(Chair *c, Slice text, size_t category)
{
    size_t n;
    uint64_t *words = words_new(text, &n);
    bool ok = n >= 1 && n <= SYNONYM_WORDS;
    if (ok)
        places_add(&c->words, phrase_hash(words, n), category);
    free(words);
    return ok;
}

static Slice trimmed(const char *p, size_t n)
{
    while (n > 0 && (*p == ' ' || *p == '\t')) {
        p++;
        n--;
    }
    while (n > 0 && strchr(" \t\r", p[n - 1]))
        n--;
    return (Slice){p, n};
}

static bool read_line(Chair *c, char *line, bool *has, size_t number, Error *err)
{
    size_t category = SIZE_MAX;
    for (char *rest = line, *one; (one = strsep(&rest, ","));) {
        Slice text = trimmed(one, strlen(one));
        if (category == SIZE_MAX && (category = category_of(c, text.data, text.size)) == SIZE_MAX)
            return error_set_status(err, STATUS_MISMATCH, "%s: line %zu: '%.*s' is no category of %s", c->synonyms, number,
                                    (int)text.size, text.data, c->instances);
        if (!add_phrase(c, text, category))
            return error_set_status(err, STATUS_CORRUPT, "%s: line %zu: '%.*s' is not one to three words", c->synonyms, number,
                                    (int)text.size, text.data);
    }
    has[category] = true;
    return true;
}

/* Words that name something else than what one of them alone names; they come first, so that the list does not change them. */
static void add_special(Chair *c)
{
    static const char *const animals[] = {"bird", "cat", "dog", "horse", "sheep", "cow", "elephant", "bear", "zebra", "giraffe"};
    static const struct {
        const char *text, *category; /* NULL: nothing */
    } others[] = {{"passenger jet", "airplane"}, {"passenger train", "train"}, {"bow tie", "tie"},    {"toilet seat", "toilet"},
                  {"train track", NULL},         {"home plate", NULL},         {"baby animal", NULL}, {"adult animal", NULL}};
    for (size_t i = 0; i < sizeof animals / sizeof animals[0]; i++) {
        size_t category = category_of(c, animals[i], strlen(animals[i]));
        char text[40];
        for (int adult = 0; category != SIZE_MAX && adult < 2; adult++) {
            snprintf(text, sizeof text, "%s %s", adult ? "adult" : "baby", animals[i]);
            add_phrase(c, slice_of(text), category);
        }
    }
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++) {
        size_t category = others[i].category ? category_of(c, others[i].category, strlen(others[i].category)) : NOTHING;
        if (category != SIZE_MAX)
            add_phrase(c, slice_of(others[i].text), category);
    }
}

static bool read_synonyms(Chair *c, Error *err)
{
    bool has[CHAIR_OBJECTS] = {0}, ok = true;
    size_t size, number = 0;
    char *text = file_read(c->synonyms, &size, err), *rest = text;
    if (!text)
        return false;
    c->digest = hash_id(text, size);
    add_special(c);
    for (char *line; ok && (line = strsep(&rest, "\n"));) {
        number++;
        if (trimmed(line, strlen(line)).size > 0)
            ok = read_line(c, line, has, number, err);
    }
    for (size_t i = 0; ok && i < c->n_names; i++)
        if (!has[i])
            ok = error_set_status(err, STATUS_MISMATCH, "%s: no line for '%s', a category of %s", c->synonyms, c->names[i],
                                  c->instances);
    free(text);
    return ok;
}

/* ---- the instances ---- */

static bool take_category(Chair *c, const json_t *e, Error *err)
{
    const json_t *id = json_object_get(e, "id"), *name = json_object_get(e, "name");
    if (!json_is_integer(id) || !json_is_string(name) || c->n_names == CHAIR_OBJECTS)
        return error_set_status(err, STATUS_CORRUPT, "%s: categories: expected at most %d of {\"id\", \"name\"}", c->instances,
                                CHAIR_OBJECTS);
    c->ids[c->n_names] = json_integer_value(id);
    c->names[c->n_names++] = xstrdup(json_string_value(name));
    return true;
}

static size_t image_place(Chair *c, int64_t id, const char *file)
{
    size_t i = image_names_id(&c->by_name, id);
    if (i == SIZE_MAX) {
        c->images = array_reserve(c->images, &c->capacity, c->n_images + 1, sizeof *c->images);
        i = c->n_images++;
        c->images[i] = (Objects){{0}};
    }
    image_names_add(&c->by_name, i, id, file);
    return i;
}

static bool take_image(Chair *c, const json_t *e, Error *err)
{
    const json_t *id = json_object_get(e, "id");
    const char *file = json_string_value(json_object_get(e, "file_name"));
    if (!json_is_integer(id))
        return error_set_status(err, STATUS_CORRUPT, "%s: an image without an integer as id", c->instances);
    image_place(c, json_integer_value(id), file);
    if (!c->example)
        c->example = image_names_say(json_integer_value(id), file);
    return true;
}

static bool take_annotation(Chair *c, const json_t *e, Error *err)
{
    const json_t *image = json_object_get(e, "image_id"), *category = json_object_get(e, "category_id");
    size_t k = 0;
    if (!json_is_integer(image) || !json_is_integer(category))
        return error_set_status(err, STATUS_CORRUPT,
                                "%s: an annotation without image_id and category_id: expected instances_*.json", c->instances);
    while (k < c->n_names && c->ids[k] != json_integer_value(category))
        k++;
    if (k == c->n_names)
        return error_set_status(err, STATUS_CORRUPT, "%s: an annotation of category %lld, which is none", c->instances,
                                (long long)json_integer_value(category));
    const size_t i = image_place(c, json_integer_value(image), NULL); /* may move c->images */
    c->images[i].bits[k / 64] |= UINT64_C(1) << (k % 64);
    return true;
}

/* One pass over the file for what is in these arrays. COCO's categories stand behind its annotations, hence two. */
static bool read_instances(Chair *c, const char *const *keys, Error *err)
{
    const char *key;
    JsonElements *file = json_elements_open(c->instances, keys, err);
    bool ok = file != NULL;
    for (json_t *e; ok && (e = json_elements_next(file, &key, err)); json_decref(e))
        ok = strcmp(key, "categories") == 0 ? take_category(c, e, err)
             : strcmp(key, "images") == 0   ? take_image(c, e, err)
                                            : take_annotation(c, e, err);
    json_elements_close(file);
    return ok && !err->text[0];
}

Chair *chair_open(const char *instances, const char *synonyms, Error *err)
{
    static const char *const first[] = {"categories", "images", NULL}, *const second[] = {"annotations", NULL};
    Chair *c = xcalloc(1, sizeof *c);
    c->instances = instances;
    c->synonyms = synonyms;
    bool ok = read_instances(c, first, err) && read_instances(c, second, err);
    if (ok && (c->n_names == 0 || !c->example))
        ok = error_set_status(err, STATUS_CORRUPT, "%s: no categories or no images: expected instances_*.json", instances);
    if (!ok || !read_synonyms(c, err)) {
        chair_free(c);
        return NULL;
    }
    return c;
}

void chair_free(Chair *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->n_names; i++)
        free(c->names[i]);
    free(c->images);
    free(c->example);
    places_release(&c->words);
    image_names_release(&c->by_name);
    free(c);
}

/* ---- judging ---- */

size_t chair_find(const Chair *c, Slice id, Slice path)
{
    return image_names_find(&c->by_name, id, path);
}

Objects chair_objects(const Chair *c, size_t image)
{
    return c->images[image];
}

static bool has_object(const Objects *o, size_t k)
{
    return o->bits[k / 64] >> (k % 64) & 1;
}

/* The objects that a text mentions, in order, new; the caller frees them. */
static uint16_t *mentions(const Chair *c, Slice text, size_t *n)
{
    size_t n_words;
    uint64_t *words = words_new(text, &n_words);
    uint16_t *out = xmalloc((n_words + 1) * sizeof *out);
    *n = 0;
    for (size_t i = 0; i < n_words;) {
        size_t size = size_min(SYNONYM_WORDS, n_words - i), object = SIZE_MAX;
        while (size > 0 && (object = places_find(&c->words, phrase_hash(words + i, size))) == SIZE_MAX)
            size--;
        if (size > 0 && object != NOTHING)
            out[(*n)++] = (uint16_t)object;
        i += size > 0 ? size : 1;
    }
    free(words);
    return out;
}

void chair_add(const Chair *c, Objects *objects, Slice text)
{
    size_t n;
    uint16_t *said = mentions(c, text, &n);
    for (size_t i = 0; i < n; i++)
        objects->bits[said[i] / 64] |= UINT64_C(1) << (said[i] % 64);
    free(said);
}

ChairCounts chair_judge(const Chair *c, const Objects *in_image, Slice text)
{
    ChairCounts counts = {0};
    Objects seen = {{0}};
    uint16_t *said = mentions(c, text, &counts.mentioned);
    for (size_t i = 0; i < counts.mentioned; i++) {
        counts.invented += !has_object(in_image, said[i]);
        seen.bits[said[i] / 64] |= UINT64_C(1) << (said[i] % 64);
    }
    for (size_t k = 0; k < c->n_names; k++) {
        counts.objects += has_object(in_image, k);
        counts.found += has_object(in_image, k) && has_object(&seen, k);
    }
    free(said);
    return counts;
}

const char *chair_example(const Chair *c)
{
    return c->example;
}

json_t *chair_json(const Chair *c)
{
    return json_pack("{s:s, s:s, s:I, s:I, s:s}", "instances", c->instances, "synonyms", c->synonyms, "images",
                     (json_int_t)c->n_images, "categories", (json_int_t)c->n_names, "digest", digest_text(c->digest).text);
}
