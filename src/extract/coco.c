/*
 * dataset_coco.json in Karpathy's splits: {"images": [{"filepath", "filename", "cocoid", "split", "sentences": [{"raw"}]}]}.
 * The file is hundreds of megabytes, so its text is scanned and only one image's object is in memory at a time.
 * https://cs.stanford.edu/people/karpathy/deepimagesent/
 */
#include "extract/coco.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "media/image.h"

enum { ELEMENT_MAX = 16 << 20 };

struct Coco {
    const Settings *s;
    FILE *file;
    int64_t at;    /* bytes read */
    int64_t index; /* of the next element of images */
    Buffer text;   /* the element, or string, being read */
    bool inside, ended;
};

Coco *coco_new(const Settings *s)
{
    Coco *c = xcalloc(1, sizeof *c);
    c->s = s;
    c->file = fopen(s->coco, "rb");
    if (!c->file)
        die("open %s:", s->coco);
    return c;
}

void coco_free(Coco *c)
{
    if (!c)
        return;
    fclose(c->file);
    buffer_release(&c->text);
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

/* Goes to the first element of "images"; false where there is none. */
static bool find_images(Coco *c)
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
        bool images = c->text.size == 6 && memcmp(c->text.data, "images", 6) == 0;
        ch = get_solid(c);
        if (images)
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
    out->problem = xasprintf("%s at byte %lld, expected {\"images\": [{..}, ..]}", what, (long long)c->at);
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

static bool split_wanted(const Settings *s, const char *split)
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

/* A source from one element, or one that says what is wrong with it. False: another split. */
static bool take_element(Coco *c, Source *out, json_t *e)
{
    const char *file = json_string_value(json_object_get(e, "filename")),
               *folder = json_string_value(json_object_get(e, "filepath"));
    if (!split_wanted(c->s, json_string_value(json_object_get(e, "split"))))
        return false;
    json_t *id = json_object_get(e, "cocoid");
    char *below = xasprintf("%s%s%s", folder ? folder : "", folder && *folder ? "/" : "", file ? file : "");
    out->name = json_is_integer(id) ? xasprintf("%lld", (long long)json_integer_value(id)) : xstrdup(below);
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
    int next;
    *out = (Source){0};
    if (c->ended)
        return false;
    if (!c->inside && !find_images(c))
        return problem(c, out, "no list of images");
    for (;; c->index++) {
        int ch = get_solid(c);
        if (ch == ',' && c->index > 0)
            ch = get_solid(c);
        if (ch == ']') {
            c->ended = true;
            return false;
        }
        if (ch != '{' || !read_value(c, ch, true, &next))
            return problem(c, out, ch == EOF || feof(c->file) ? "the file ends" : "unexpected text");
        json_error_t e;
        json_t *element = json_loadb((const char *)c->text.data, c->text.size, 0, &e);
        if (!element)
            return problem(c, out, e.text);
        bool wanted = take_element(c, out, element);
        json_decref(element);
        if (wanted) {
            c->index++;
            return true;
        }
    }
}
