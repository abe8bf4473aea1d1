/* Fields of a record by path, read where they lie; see stream.h. */
#include "stream/record.h"

#include <string.h>

#include "base/utf8.h"

static bool slice_is(Slice a, const char *text, size_t n)
{
    return a.data && a.size == n && memcmp(a.data, text, n) == 0;
}

/* The value of a key in the map at p; NULL when it has no such key. */
static const uint8_t *map_find(const uint8_t *p, const char *key, size_t n)
{
    Token map = token_at(p);
    p += map.head;
    for (uint64_t i = 0; i < map.count; i++) {
        Slice name = value_string(p);
        p += value_size(p);
        if (slice_is(name, key, n))
            return p;
        p += value_size(p);
    }
    return NULL;
}

/* Sets *value to where the path leads. */
static Field field_find(const Record *r, const char *path, const uint8_t **value)
{
    size_t n = strcspn(path, ".");
    const uint8_t *p = NULL;
    for (size_t i = 0; i < r->n_groups && !p; i++)
        if (slice_is(r->groups[i].name, path, n))
            p = (const uint8_t *)r->groups[i].value.data;
    while (p && path[n] == '.') {
        TokenKind kind = token_at(p).kind;
        if (kind != TOKEN_MAP)
            return kind == TOKEN_NIL ? FIELD_MISSING : FIELD_WRONG;
        path += n + 1;
        n = strcspn(path, ".");
        p = map_find(p, path, n);
    }
    *value = p;
    return p ? FIELD_OK : FIELD_MISSING;
}

Slice record_raw(const Record *r, const char *path)
{
    const uint8_t *p;
    return field_find(r, path, &p) == FIELD_OK ? slice_bytes(p, value_size(p)) : (Slice){NULL, 0};
}

/* The token of a field, if it is there and not nil. */
static Field field_token(const Record *r, const char *path, const uint8_t **p, Token *t)
{
    Field f = field_find(r, path, p);
    if (f != FIELD_OK)
        return f;
    *t = token_at(*p);
    return t->kind == TOKEN_NIL ? FIELD_MISSING : FIELD_OK;
}

static Field field_bytes(const Record *r, const char *path, TokenKind kind, Slice *out)
{
    Token t;
    const uint8_t *p;
    Field f = field_token(r, path, &p, &t);
    if (f != FIELD_OK)
        return f;
    if (t.kind != kind)
        return FIELD_WRONG;
    *out = slice_bytes(p + t.head, t.size);
    return FIELD_OK;
}

Field record_string(const Record *r, const char *path, Slice *out)
{
    return field_bytes(r, path, TOKEN_STRING, out);
}

Field record_bin(const Record *r, const char *path, Slice *out)
{
    return field_bytes(r, path, TOKEN_BIN, out);
}

static bool token_real(const Token *t, double *out)
{
    if (t->kind == TOKEN_REAL)
        *out = t->as.real;
    else if (t->kind == TOKEN_INT)
        *out = (double)t->as.integer;
    else if (t->kind == TOKEN_UINT)
        *out = (double)t->as.natural;
    else
        return false;
    return true;
}

Field record_int(const Record *r, const char *path, int64_t *out)
{
    Token t;
    const uint8_t *p;
    Field f = field_token(r, path, &p, &t);
    if (f != FIELD_OK)
        return f;
    if (t.kind != TOKEN_INT)
        return FIELD_WRONG;
    *out = t.as.integer;
    return FIELD_OK;
}

Field record_real(const Record *r, const char *path, double *out)
{
    Token t;
    const uint8_t *p;
    Field f = field_token(r, path, &p, &t);
    if (f != FIELD_OK)
        return f;
    return token_real(&t, out) ? FIELD_OK : FIELD_WRONG;
}

Field record_bool(const Record *r, const char *path, bool *out)
{
    Token t;
    const uint8_t *p;
    Field f = field_token(r, path, &p, &t);
    if (f != FIELD_OK)
        return f;
    if (t.kind != TOKEN_BOOL)
        return FIELD_WRONG;
    *out = t.as.boolean;
    return FIELD_OK;
}

Field record_ints(const Record *r, const char *path, Arena *a, int64_t **out, size_t *n)
{
    Token t;
    const uint8_t *p;
    Field f = field_token(r, path, &p, &t);
    if (f != FIELD_OK)
        return f;
    if (t.kind != TOKEN_ARRAY)
        return FIELD_WRONG;
    /* Every item was seen by the reader, so the count is no larger than the record. */
    int64_t *v = arena_alloc(a, t.count * sizeof *v);
    p += t.head;
    for (uint64_t i = 0; i < t.count; i++) {
        Token item = token_at(p);
        if (item.kind != TOKEN_INT)
            return FIELD_WRONG;
        v[i] = item.as.integer;
        p += item.head;
    }
    *out = v;
    *n = t.count;
    return FIELD_OK;
}

Field record_reals(const Record *r, const char *path, Arena *a, double **out, size_t *n)
{
    Token t;
    const uint8_t *p;
    Field f = field_token(r, path, &p, &t);
    if (f != FIELD_OK)
        return f;
    if (t.kind != TOKEN_ARRAY)
        return FIELD_WRONG;
    double *v = arena_alloc(a, t.count * sizeof *v);
    p += t.head;
    for (uint64_t i = 0; i < t.count; i++) {
        Token item = token_at(p);
        if (!token_real(&item, &v[i]))
            return FIELD_WRONG;
        p += item.head;
    }
    *out = v;
    *n = t.count;
    return FIELD_OK;
}

/* ---- whole records ---- */

static bool corrupt(Error *err, const char *what)
{
    return error_set_status(err, STATUS_CORRUPT, "%s", what);
}

static bool name_known(const Record *r, Slice name)
{
    for (size_t i = 0; i < r->n_groups; i++)
        if (slice_is(r->groups[i].name, name.data, name.size))
            return true;
    return false;
}

static bool pairs_split(const uint8_t *at, uint64_t pairs, Record *out, Error *err)
{
    for (uint64_t i = 0; i < pairs; i++) {
        Slice key = value_string(at);
        if (!key.data)
            return corrupt(err, "a key that is not a string");
        at += value_size(at);
        Slice value = slice_bytes(at, value_size(at));
        at += value.size;
        if (slice_equal(key, "id") && !out->id.data) {
            out->id = value_string(value.data);
            if (!out->id.data || !utf8_valid(out->id.data, out->id.size))
                return corrupt(err, "its id is not a UTF-8 string");
        } else if (slice_equal(key, "id") || name_known(out, key)) {
            return corrupt(err, "the same key twice");
        } else {
            out->groups[out->n_groups++] = (Group){key, value};
        }
    }
    return true;
}

static bool batch_read(Record *r, Error *err)
{
    if (record_int(r, "batch.index", &r->batch.index) != FIELD_OK ||
        record_int(r, "batch.records", &r->batch.records) != FIELD_OK)
        return corrupt(err, "a batch record needs index and records, whole numbers");
    Field step = record_int(r, "batch.step", &r->batch.step);
    if (step == FIELD_MISSING)
        r->batch.step = -1;
    return step != FIELD_WRONG || corrupt(err, "the step of a batch record is not a whole number");
}

bool record_split(Slice raw, Record *out, Error *err)
{
    Token map = token_at(raw.data);
    if (!pairs_split((const uint8_t *)raw.data + map.head, map.count, out, err))
        return false;
    bool single = out->n_groups == 1 && !out->id.data;
    if (name_known(out, SLICE("vlrm")))
        out->kind = RECORD_HEADER;
    else if (single && slice_equal(out->groups[0].name, "end"))
        out->kind = RECORD_END;
    else if (single && slice_equal(out->groups[0].name, "batch"))
        out->kind = RECORD_BATCH;
    else
        out->kind = RECORD_DATA;
    if (out->kind == RECORD_BATCH)
        return batch_read(out, err);
    return out->kind != RECORD_DATA || out->id.data || corrupt(err, "a record without an id");
}

bool record_parse(Slice raw, Record *out, Arena *arena, Error *err)
{
    *out = (Record){.kind = RECORD_FAILED, .raw = raw};
    Token map = {0};
    if (value_whole(raw))
        map = token_at(raw.data);
    if (map.kind != TOKEN_MAP || map.count == 0 || map.count > GROUPS_MAX)
        return error_set_status(err, STATUS_CORRUPT, "%zu bytes that are not one record", raw.size);
    out->groups = arena_alloc(arena, map.count * sizeof *out->groups);
    return record_split(raw, out, err);
}
