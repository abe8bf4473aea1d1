/* Two msgpack values side by side; see compare.h. */
#include "tools/compare.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "stream/token.h"

enum { SHOWN_LENGTH = 100 };

void comparison_init(Comparison *c, const StringList *tolerances, const StringList *ignore, int64_t show)
{
    *c = (Comparison){.ignore = ignore, .show = show};
    c->tolerances = xcalloc(tolerances->count + 1, sizeof *c->tolerances);
    for (size_t i = 0; i < tolerances->count; i++) {
        const char *text = tolerances->items[i], *equals = strrchr(text, '=');
        double value;
        if (!parse_real(equals ? equals + 1 : text, 0, HUGE_VAL, &value))
            usage_error("--tolerance %s: expected FIELD=NUMBER or NUMBER, from 0", text);
        if (equals)
            c->tolerances[c->n_tolerances++] = (Tolerance){xstrndup(text, (size_t)(equals - text)), value};
        else
            c->fallback = value;
    }
}

void comparison_release(Comparison *c)
{
    for (size_t i = 0; i < c->n_tolerances; i++)
        free(c->tolerances[i].field);
    free(c->tolerances);
}

void difference(Comparison *c, const char *where, const char *format, ...)
{
    va_list args;
    c->differences++;
    if (c->shown == c->show)
        return;
    c->shown++;
    printf("%s: ", where);
    va_start(args, format);
    vprintf(format, args);
    va_end(args);
    putchar('\n');
}

/* Whether path is the field or lies below it: "caption" covers "caption.text" and "caption.logp[3]". */
static bool covers(const char *field, const char *path)
{
    size_t n = strlen(field);
    return strncmp(field, path, n) == 0 && (path[n] == '\0' || path[n] == '.' || path[n] == '[');
}

static bool ignored(const Comparison *c, const char *path)
{
    if (strcmp(path, "batch.digest") == 0) /* of the segment's bytes, which may differ where values do not */
        return true;
    for (size_t i = 0; i < c->ignore->count; i++)
        if (covers(c->ignore->items[i], path))
            return true;
    return false;
}

/* The tolerance of the longest field that covers the path. */
static double tolerance_of(const Comparison *c, const char *path)
{
    const Tolerance *best = NULL;
    for (size_t i = 0; i < c->n_tolerances; i++)
        if (covers(c->tolerances[i].field, path) && (!best || strlen(best->field) <= strlen(c->tolerances[i].field)))
            best = &c->tolerances[i];
    return best ? best->value : c->fallback;
}

/* A value in few characters; the caller frees it. */
static char *value_text(Slice v)
{
    size_t n;
    json_t *j = slice_json_as(v, BIN_SIZE);
    char *line = json_line(j, &n);
    json_decref(j);
    if (n > SHOWN_LENGTH)
        strcpy(line + SHOWN_LENGTH - 3, "...");
    return line;
}

static bool differ(Comparison *c, const char *where, const char *path, Slice a, Slice b)
{
    char *left = value_text(a), *right = value_text(b);
    difference(c, where, "%s: %s, %s", path, left, right);
    free(left);
    free(right);
    return false;
}

static bool number(const Token *t, double *v)
{
    *v = t->kind == TOKEN_REAL ? t->as.real : t->kind == TOKEN_UINT ? (double)t->as.natural : (double)t->as.integer;
    return t->kind == TOKEN_REAL || t->kind == TOKEN_UINT || t->kind == TOKEN_INT;
}

static bool numbers_same(double a, double b, double tolerance)
{
    if (isnan(a) || isnan(b))
        return isnan(a) && isnan(b);
    if (a == b)
        return true;
    return fabs(a - b) <= tolerance * fmax(1, fmax(fabs(a), fabs(b)));
}

static Slice value_at(const void *p)
{
    return slice_bytes(p, value_size(p));
}

static bool arrays_same(Comparison *c, const char *where, const char *path, Slice a, Slice b)
{
    Token ta = token_at(a.data), tb = token_at(b.data);
    const uint8_t *pa = (const uint8_t *)a.data + ta.head, *pb = (const uint8_t *)b.data + tb.head;
    if (ta.count != tb.count) {
        difference(c, where, "%s: %llu items, %llu items", path, (unsigned long long)ta.count, (unsigned long long)tb.count);
        return false;
    }
    bool same = true;
    for (uint64_t i = 0; i < ta.count; i++) {
        Slice va = value_at(pa), vb = value_at(pb);
        char *below = xasprintf("%s[%llu]", path, (unsigned long long)i);
        same = values_same(c, where, below, va, vb) && same;
        free(below);
        pa += va.size;
        pb += vb.size;
    }
    return same;
}

/* The value of a key, which is any value, in the map. */
static const uint8_t *map_value(Slice map, Slice key)
{
    Token t = token_at(map.data);
    const uint8_t *p = (const uint8_t *)map.data + t.head;
    for (uint64_t i = 0; i < t.count; i++) {
        Slice k = value_at(p);
        p += k.size;
        if (k.size == key.size && memcmp(k.data, key.data, k.size) == 0)
            return p;
        p += value_size(p);
    }
    return NULL;
}

static char *path_below(const char *path, Slice key)
{
    Slice name = value_string(key.data);
    char *text = name.data ? xstrndup(name.data, name.size) : value_text(key);
    char *below = xasprintf("%s%s%s", path, *path ? "." : "", text);
    free(text);
    return below;
}

/* Every key of a against b; with `missing_only`, only whether b has it. */
static bool keys_same(Comparison *c, const char *where, const char *path, Slice a, Slice b, bool missing_only)
{
    Token t = token_at(a.data);
    const uint8_t *p = (const uint8_t *)a.data + t.head;
    bool same = true;
    for (uint64_t i = 0; i < t.count; i++) {
        Slice key = value_at(p), value = value_at(p + key.size);
        p += key.size + value.size;
        const uint8_t *other = map_value(b, key);
        char *below = path_below(path, key);
        if (!other && !ignored(c, below)) {
            difference(c, where, "%s: only in the %s stream", below, missing_only ? "second" : "first");
            same = false;
        } else if (other && !missing_only) {
            same = values_same(c, where, below, value, value_at(other)) && same;
        }
        free(below);
    }
    return same;
}

bool values_same(Comparison *c, const char *where, const char *path, Slice a, Slice b)
{
    double x, y;
    if ((a.size == b.size && memcmp(a.data, b.data, a.size) == 0) || ignored(c, path))
        return true;
    Token ta = token_at(a.data), tb = token_at(b.data);
    if (number(&ta, &x) && number(&tb, &y))
        return numbers_same(x, y, tolerance_of(c, path)) || differ(c, where, path, a, b);
    if (ta.kind == TOKEN_ARRAY && tb.kind == TOKEN_ARRAY)
        return arrays_same(c, where, path, a, b);
    if (ta.kind == TOKEN_MAP && tb.kind == TOKEN_MAP) {
        bool same = keys_same(c, where, path, a, b, false);
        return keys_same(c, where, path, b, a, true) && same;
    }
    bool bytes = ta.kind == tb.kind && ta.size == tb.size && (ta.kind == TOKEN_STRING || ta.kind == TOKEN_BIN) &&
                 memcmp((const uint8_t *)a.data + ta.head, (const uint8_t *)b.data + tb.head, ta.size) == 0;
    return bytes || differ(c, where, path, a, b);
}
