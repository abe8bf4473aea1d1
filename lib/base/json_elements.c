/* Elements of a large file of JSON; see json_elements.h. What is passed over is told from the rest by its brackets and quotes. */
#include "base/json_elements.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ELEMENT_MAX = 16 << 20, KEY_MAX = 256 };

struct JsonElements {
    FILE *file;
    char *path, *text; /* owned */
    size_t size, capacity;
    int64_t at;              /* bytes read */
    int ahead;               /* a byte that was read too far; EOF: none */
    const char *const *keys; /* borrowed */
    const char *inside;      /* the key of the array being read; NULL outside */
    const char *last;        /* .. of the last one, or NULL */
    char *problem;           /* owned: what is wrong with the file; NULL: nothing */
    bool begun, ended;
};

JsonElements *json_elements_open(const char *path, const char *const *keys, Error *err)
{
    FILE *file = fopen(path, "rb");
    if (!file) {
        error_set(err, "open %s:", path);
        return NULL;
    }
    JsonElements *e = xcalloc(1, sizeof *e);
    *e = (JsonElements){.file = file, .path = xstrdup(path), .keys = keys, .ahead = EOF};
    return e;
}

void json_elements_close(JsonElements *e)
{
    if (!e)
        return;
    fclose(e->file);
    free(e->path);
    free(e->text);
    free(e->problem);
    free(e);
}

/* ---- bytes ---- */

static int get(JsonElements *e)
{
    int c = e->ahead;
    e->ahead = EOF;
    if (c == EOF) {
        c = getc_unlocked(e->file);
        e->at += c != EOF;
    }
    return c;
}

static int get_solid(JsonElements *e)
{
    int c;
    do
        c = get(e);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r');
    return c;
}

static bool keep(JsonElements *e, int c, bool kept, size_t most)
{
    if (!kept)
        return true;
    if (e->size >= most)
        return false;
    e->text = array_reserve(e->text, &e->capacity, e->size + 1, 1);
    e->text[e->size++] = (char)c;
    return true;
}

/* The rest of a string, with its closing quote. */
static bool read_string(JsonElements *e, bool kept, size_t most)
{
    for (int c; (c = get(e)) != EOF;) {
        if (!keep(e, c, kept, most))
            return false;
        if (c == '"')
            return true;
        if (c == '\\' && ((c = get(e)) == EOF || !keep(e, c, kept, most)))
            return false;
    }
    return false;
}

/* One value that begins with c. */
static bool read_value(JsonElements *e, int c, bool kept)
{
    int depth = 0;
    e->size = 0;
    for (; c != EOF; c = get(e)) {
        if (depth == 0 && (c == ',' || c == '}' || c == ']')) { /* behind a number or a word */
            e->ahead = c;
            return true;
        }
        if (!keep(e, c, kept, ELEMENT_MAX) || (c == '"' && !read_string(e, kept, ELEMENT_MAX)))
            return false;
        depth += (c == '{' || c == '[') - (c == '}' || c == ']');
        if (depth == 0 && (c == '"' || c == '}' || c == ']'))
            return true;
    }
    return false;
}

/* ---- keys and elements ---- */

static const char *wanted(const JsonElements *e)
{
    for (size_t i = 0; e->keys[i]; i++)
        if (strlen(e->keys[i]) == e->size && memcmp(e->keys[i], e->text, e->size) == 0)
            return e->keys[i];
    return NULL;
}

/* Goes into the next array that is wanted. False at the end (ended) and for what is no such file. */
static bool next_array(JsonElements *e)
{
    int c = get_solid(e);
    if (!e->begun) {
        if (c != '{')
            return false;
        e->begun = true;
        c = get_solid(e);
    } else if (c == ',') {
        c = get_solid(e);
    }
    for (; c == '"'; c = get_solid(e)) {
        e->size = 0;
        if (!read_string(e, true, KEY_MAX) || get_solid(e) != ':')
            return false;
        e->size--; /* the quote */
        const char *key = wanted(e);
        c = get_solid(e);
        if (key && c == '[') {
            e->inside = e->last = key;
            return true;
        }
        if (!read_value(e, c, false) || ((c = get_solid(e)) != ',' && c != '}'))
            return false;
        if (c == '}')
            break;
    }
    e->ended = c == '}' && get_solid(e) == EOF && !ferror(e->file);
    return false;
}

static const char *broken(const JsonElements *e)
{
    return feof(e->file) ? "the file ends" : "unexpected text";
}

static json_t *fail(JsonElements *e, const char *what, Error *err)
{
    if (ferror(e->file)) {
        error_set(err, "read %s:", e->path);
    } else {
        e->problem =
            xasprintf("%s at byte %lld, expected {\"%s\": [{..}, ..]}", what, (long long)e->at, e->last ? e->last : e->keys[0]);
        error_set_status(err, STATUS_CORRUPT, "%s: %s", e->path, e->problem);
    }
    return NULL;
}

const char *json_elements_problem(const JsonElements *e)
{
    return e->problem;
}

json_t *json_elements_next(JsonElements *e, const char **key, Error *err)
{
    json_error_t why;
    while (!e->ended) {
        if (!e->inside && !next_array(e)) {
            if (e->ended && (e->last || e->keys[1]))
                return NULL;
            return fail(e, e->ended ? "no such list" : broken(e), err);
        }
        int c = get_solid(e);
        if (c == ',')
            c = get_solid(e);
        if (c == ']') {
            e->inside = NULL;
            e->ended = !e->keys[1]; /* nothing else is wanted */
            continue;
        }
        if (c != '{' || !read_value(e, c, true))
            return fail(e, e->size >= ELEMENT_MAX ? "an element of more than 16 MB" : broken(e), err);
        json_t *value = json_loadb(e->text, e->size, 0, &why);
        if (!value)
            return fail(e, why.text, err);
        *key = e->inside;
        return value;
    }
    return NULL;
}
