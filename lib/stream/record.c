/* Records and their fields; see record.h and stream.h. */
#include "stream/record.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

bool slice_equal(Slice a, const char *text)
{
    return a.size == strlen(text) && memcmp(a.data, text, a.size) == 0;
}

static Slice text_of(const msgpack_object *o)
{
    return (Slice){o->via.str.ptr, o->via.str.size};
}

static bool slices_equal(Slice a, Slice b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

void parser_release(Parser *p)
{
    if (p->zone)
        msgpack_zone_free(p->zone);
    free(p->groups);
    *p = (Parser){0};
}

/* ---- records ---- */

static bool integer(const msgpack_object *o, int64_t *out)
{
    if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER && o->via.u64 <= INT64_MAX)
        *out = (int64_t)o->via.u64;
    else if (o->type == MSGPACK_OBJECT_NEGATIVE_INTEGER)
        *out = o->via.i64;
    else
        return false;
    return true;
}

static const msgpack_object *map_find(const msgpack_object *map, const char *key, size_t n)
{
    if (map->type != MSGPACK_OBJECT_MAP)
        return NULL;
    for (uint32_t i = 0; i < map->via.map.size; i++) {
        const msgpack_object *k = &map->via.map.ptr[i].key;
        if (k->type == MSGPACK_OBJECT_STR && k->via.str.size == n && memcmp(k->via.str.ptr, key, n) == 0)
            return &map->via.map.ptr[i].val;
    }
    return NULL;
}

static bool batch_parse(const msgpack_object *o, Record *r, Error *err)
{
    static const char *const keys[] = {"index", "records", "step"};
    int64_t *out[] = {&r->batch.index, &r->batch.records, &r->batch.step};
    r->batch.step = -1;
    for (size_t i = 0; i < 3; i++) {
        const msgpack_object *v = map_find(o, keys[i], strlen(keys[i]));
        if (!v && i == 2)
            continue;
        if (!v || !integer(v, out[i]) || *out[i] < (i == 2 ? -1 : 0))
            return error_set_status(err, STATUS_CORRUPT, "batch record: %s is missing or no count", keys[i]);
    }
    r->kind = RECORD_BATCH;
    return true;
}

/* The end record's layout is fixed, so that no byte of it can change unseen: records, failed, filtered, status, digest. */
static bool end_parse(const msgpack_object *o, StreamEnd *end, char digest[17], Error *err)
{
    static const char *const keys[] = {"records", "failed", "filtered", "status"};
    int64_t status = 0, *out[] = {&end->records, &end->failed, &end->filtered, &status};
    bool ok = o->type == MSGPACK_OBJECT_MAP && o->via.map.size == 5;
    for (uint32_t i = 0; ok && i < 4; i++) {
        const msgpack_object_kv *kv = &o->via.map.ptr[i];
        ok = kv->key.type == MSGPACK_OBJECT_STR && slice_equal(text_of(&kv->key), keys[i]) && integer(&kv->val, out[i]) &&
             *out[i] >= 0;
    }
    const msgpack_object_kv *last = ok ? &o->via.map.ptr[4] : NULL;
    if (!ok || status > 255 || last->key.type != MSGPACK_OBJECT_STR || !slice_equal(text_of(&last->key), "digest") ||
        last->val.type != MSGPACK_OBJECT_STR || last->val.via.str.size != 16)
        return error_set_status(err, STATUS_CORRUPT,
                                "end record: expected records, failed, filtered, status and digest, in this order");
    end->status = (int)status;
    memcpy(digest, last->val.via.str.ptr, 16);
    digest[16] = '\0';
    return true;
}

static bool group_new(const Parser *p, size_t n, Slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slices_equal(p->groups[i].name, name))
            return false;
    return true;
}

/* Key and value of one pair at data[*at]. */
static MpResult pair_next(Parser *p, const char *data, size_t size, size_t *at, Slice *key, Slice *value, msgpack_object *object,
                          Error *err)
{
    msgpack_object name;
    MpResult r = mp_next(data, size, at, p->zone, &name);
    if (r == MP_OK && name.type != MSGPACK_OBJECT_STR) {
        error_set_status(err, STATUS_CORRUPT, "a key that is no string");
        return MP_BAD;
    }
    size_t begin = *at;
    if (r == MP_OK)
        r = mp_next(data, size, at, p->zone, object);
    if (r == MP_OK) {
        *key = text_of(&name);
        *value = (Slice){data + begin, *at - begin};
    }
    return r;
}

/* What a first key says of its record. */
static bool kind_parse(Slice key, Slice value, const msgpack_object *object, size_t pairs, Record *out, StreamEnd *end,
                       size_t *digest_at, const char *data, char digest[17], Error *err)
{
    if (slice_equal(key, "vlrm")) {
        int64_t version;
        if (!integer(object, &version) || version != 1)
            return error_set_status(err, STATUS_MISMATCH, "header of another format version, expected 1");
        out->kind = RECORD_HEADER;
    } else if (slice_equal(key, "batch") && pairs == 1) {
        return batch_parse(object, out, err);
    } else if (slice_equal(key, "end") && pairs == 1) {
        if (!end_parse(object, end, digest, err))
            return false;
        out->kind = RECORD_END;
        *digest_at = (size_t)((const char *)value.data + value.size - data) - 17;
        if ((unsigned char)data[*digest_at] != 0xb0)
            return error_set_status(err, STATUS_CORRUPT, "end record: the digest is not packed as a 16-byte fixstr");
    }
    return true;
}

static MpResult pairs_parse(Parser *p, const char *data, size_t size, size_t *at, size_t pairs, Record *out, StreamEnd *end,
                            size_t *digest_at, char digest[17], Error *err)
{
    out->kind = RECORD_DATA;
    for (size_t i = 0; i < pairs; i++) {
        Slice key, value;
        msgpack_object object;
        MpResult r = pair_next(p, data, size, at, &key, &value, &object, err);
        if (r != MP_OK)
            return r;
        if (i == 0 && !kind_parse(key, value, &object, pairs, out, end, digest_at, data, digest, err))
            return MP_BAD;
        if (slice_equal(key, "id") && !out->id.data) {
            if (object.type != MSGPACK_OBJECT_STR) {
                error_set_status(err, STATUS_CORRUPT, "id is no string");
                return MP_BAD;
            }
            out->id = text_of(&object);
            continue;
        }
        if (!group_new(p, out->n_groups, key)) {
            error_set_status(err, STATUS_CORRUPT, "key '%.*s' twice in one record", (int)key.size, (const char *)key.data);
            return MP_BAD;
        }
        p->groups = array_reserve(p->groups, &p->capacity, out->n_groups + 1, sizeof *p->groups);
        p->groups[out->n_groups++] = (Group){key, value};
    }
    return MP_OK;
}

MpResult parse_record(Parser *p, const char *data, size_t size, Record *out, StreamEnd *end, size_t *digest_at, char digest[17],
                      Error *err)
{
    size_t at = 0, pairs;
    if (!p->zone)
        p->zone = mp_zone_new();
    msgpack_zone_clear(p->zone);
    *out = (Record){0};
    MpResult r = mp_map_head(data, size, &at, &pairs);
    if (r == MP_OK)
        r = pairs_parse(p, data, size, &at, pairs, out, end, digest_at, digest, err);
    if (r == MP_OK && out->kind == RECORD_DATA && !out->id.data) {
        error_set_status(err, STATUS_CORRUPT, "a record without id");
        r = MP_BAD;
    }
    if (r == MP_BAD)
        error_set_status(err, STATUS_CORRUPT, "no msgpack map where a record was expected");
    out->groups = p->groups;
    out->raw = (Slice){data, at};
    return r;
}

bool record_parse(Slice raw, Record *out, Arena *arena, Error *err)
{
    Parser p = {0};
    StreamEnd end;
    size_t digest_at;
    char digest[17];
    MpResult r = parse_record(&p, raw.data, raw.size, out, &end, &digest_at, digest, err);
    if (r == MP_SHORT)
        error_set_status(err, STATUS_CORRUPT, "a record is cut");
    if (r == MP_OK) {
        Group *groups = arena_alloc(arena, out->n_groups * sizeof *groups);
        if (out->n_groups > 0)
            memcpy(groups, out->groups, out->n_groups * sizeof *groups);
        out->groups = groups;
    }
    parser_release(&p);
    return r == MP_OK;
}

/* ---- fields ---- */

/* The group that a path begins with, and the rest of the path ("" when it names the group itself). */
static Slice group_find(const Record *r, const char *path, const char **rest)
{
    size_t n = strcspn(path, ".");
    *rest = path + n + (path[n] == '.');
    for (size_t i = 0; i < r->n_groups; i++)
        if (r->groups[i].name.size == n && memcmp(r->groups[i].name.data, path, n) == 0)
            return r->groups[i].value;
    return (Slice){NULL, 0};
}

/* The object at a path, in a zone that lives until the next call in this thread. */
static Field field_find(const Record *r, const char *path, msgpack_object *out)
{
    static _Thread_local msgpack_zone *zone;
    const char *rest;
    Slice value = group_find(r, path, &rest);
    size_t at = 0;
    if (!value.data)
        return FIELD_MISSING;
    if (!zone)
        zone = mp_zone_new();
    msgpack_zone_clear(zone);
    if (mp_next(value.data, value.size, &at, zone, out) != MP_OK)
        return FIELD_WRONG;
    while (*rest) {
        size_t n = strcspn(rest, ".");
        if (out->type != MSGPACK_OBJECT_MAP)
            return FIELD_WRONG;
        const msgpack_object *inner = map_find(out, rest, n);
        if (!inner)
            return FIELD_MISSING;
        *out = *inner;
        rest += n + (rest[n] == '.');
    }
    return out->type == MSGPACK_OBJECT_NIL ? FIELD_MISSING : FIELD_OK;
}

Field record_string(const Record *r, const char *path, Slice *out)
{
    msgpack_object o;
    Field f = field_find(r, path, &o);
    if (f == FIELD_OK && o.type != MSGPACK_OBJECT_STR)
        f = FIELD_WRONG;
    if (f == FIELD_OK)
        *out = text_of(&o);
    return f;
}

Field record_bin(const Record *r, const char *path, Slice *out)
{
    msgpack_object o;
    Field f = field_find(r, path, &o);
    if (f == FIELD_OK && o.type != MSGPACK_OBJECT_BIN)
        f = FIELD_WRONG;
    if (f == FIELD_OK)
        *out = (Slice){o.via.bin.ptr, o.via.bin.size};
    return f;
}

static bool real_number(const msgpack_object *o, double *out)
{
    int64_t i;
    if (o->type == MSGPACK_OBJECT_FLOAT32 || o->type == MSGPACK_OBJECT_FLOAT64)
        *out = o->via.f64;
    else if (integer(o, &i))
        *out = (double)i;
    else if (o->type == MSGPACK_OBJECT_POSITIVE_INTEGER)
        *out = (double)o->via.u64;
    else
        return false;
    return true;
}

Field record_int(const Record *r, const char *path, int64_t *out)
{
    msgpack_object o;
    Field f = field_find(r, path, &o);
    return f == FIELD_OK && !integer(&o, out) ? FIELD_WRONG : f;
}

Field record_real(const Record *r, const char *path, double *out)
{
    msgpack_object o;
    Field f = field_find(r, path, &o);
    return f == FIELD_OK && !real_number(&o, out) ? FIELD_WRONG : f;
}

Field record_bool(const Record *r, const char *path, bool *out)
{
    msgpack_object o;
    Field f = field_find(r, path, &o);
    if (f == FIELD_OK && o.type != MSGPACK_OBJECT_BOOLEAN)
        f = FIELD_WRONG;
    if (f == FIELD_OK)
        *out = o.via.boolean;
    return f;
}

Field record_ints(const Record *r, const char *path, Arena *a, int64_t **out, size_t *n)
{
    msgpack_object o;
    Field f = field_find(r, path, &o);
    if (f != FIELD_OK || o.type != MSGPACK_OBJECT_ARRAY)
        return f == FIELD_OK ? FIELD_WRONG : f;
    *n = o.via.array.size;
    *out = arena_alloc(a, *n * sizeof **out);
    for (size_t i = 0; i < *n; i++)
        if (!integer(&o.via.array.ptr[i], &(*out)[i]))
            return FIELD_WRONG;
    return FIELD_OK;
}

Field record_reals(const Record *r, const char *path, Arena *a, double **out, size_t *n)
{
    msgpack_object o;
    Field f = field_find(r, path, &o);
    if (f != FIELD_OK || o.type != MSGPACK_OBJECT_ARRAY)
        return f == FIELD_OK ? FIELD_WRONG : f;
    *n = o.via.array.size;
    *out = arena_alloc(a, *n * sizeof **out);
    for (size_t i = 0; i < *n; i++)
        if (!real_number(&o.via.array.ptr[i], &(*out)[i]))
            return FIELD_WRONG;
    return FIELD_OK;
}

/* Descends by extents rather than objects, so that what is found is the bytes as they stand. */
Slice record_raw(const Record *r, const char *path)
{
    const char *rest;
    Slice value = group_find(r, path, &rest);
    Parser p = {.zone = mp_zone_new()};
    while (value.data && *rest) {
        size_t at = 0, pairs, n = strcspn(rest, ".");
        Slice key, inner, found = {NULL, 0};
        msgpack_object o;
        Error ignored = {0};
        if (mp_map_head(value.data, value.size, &at, &pairs) == MP_OK)
            while (pairs-- > 0 && pair_next(&p, value.data, value.size, &at, &key, &inner, &o, &ignored) == MP_OK)
                if (key.size == n && memcmp(key.data, rest, n) == 0)
                    found = inner;
        value = found;
        rest += n + (rest[n] == '.');
    }
    parser_release(&p);
    return value;
}
