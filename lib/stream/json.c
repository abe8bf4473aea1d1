/*
 * msgpack to JSON and back; see stream.h. What JSON cannot hold travels as an object of one key that begins with a dollar sign;
 * formats/envelope.md has the table.
 */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base64.h"
#include "base/utf8.h"
#include "stream/token.h"

/* ---- msgpack to JSON ---- */

/* {name: value}; value is stolen. */
static json_t *escape(const char *name, json_t *value)
{
    json_t *o = json_object();
    json_object_set_new(o, name, value);
    return o;
}

static json_t *escape_bytes(const char *name, const void *data, size_t n)
{
    char *text = base64_encode(data, n);
    json_t *o = escape(name, json_string(text));
    free(text);
    return o;
}

/* "<N bytes>", which stands for bytes that were left out. */
static bool is_size_mark(const char *text, size_t n)
{
    size_t digits = 0;
    while (digits + 1 < n && text[digits + 1] >= '0' && text[digits + 1] <= '9')
        digits++;
    return n == digits + 8 && digits > 0 && text[0] == '<' && memcmp(text + 1 + digits, " bytes>", 7) == 0;
}

static json_t *string_json(const char *text, size_t n)
{
    json_t *s = is_size_mark(text, n) ? NULL : json_stringn(text, n);
    return s ? s : escape_bytes("$str", text, n); /* no UTF-8, or it would be taken for a mark */
}

static json_t *bin_json(const void *data, size_t n, BinStyle style)
{
    char mark[40];
    if (style == BIN_BASE64)
        return escape_bytes("$bin", data, n);
    if (style == BIN_OMIT)
        return NULL;
    snprintf(mark, sizeof mark, "<%zu bytes>", n);
    return json_string(mark);
}

static json_t *real_json(double v)
{
    if (isfinite(v))
        return json_real(v);
    return escape("$real", json_string(isnan(v) ? "nan" : v > 0 ? "inf" : "-inf"));
}

static json_t *ext_json(const uint8_t *p, const Token *t)
{
    char *text = base64_encode(p + t->head, t->size);
    json_t *pair = json_array();
    json_array_append_new(pair, json_integer(t->as.type));
    json_array_append_new(pair, json_string(text));
    free(text);
    return escape("$ext", pair);
}

static json_t *value_json(const uint8_t **p, BinStyle style);

static json_t *array_json(const uint8_t **p, uint64_t count, BinStyle style)
{
    json_t *array = json_array();
    for (uint64_t i = 0; i < count; i++) {
        json_t *item = value_json(p, style);
        json_array_append_new(array, item ? item : json_null());
    }
    return array;
}

/* Whether a map can be a JSON object: its keys are distinct strings without NUL, and none looks like one of our escapes. */
static bool is_plain_map(const uint8_t *p, uint64_t count)
{
    json_t *seen = json_object();
    bool plain = true;
    for (uint64_t i = 0; i < count && plain; i++) {
        Slice key = value_string(p);
        plain = key.data && utf8_valid(key.data, key.size) && !memchr(key.data, 0, key.size) &&
                !(key.size > 0 && *(const char *)key.data == '$') && !json_object_getn(seen, key.data, key.size) &&
                json_object_setn_new(seen, key.data, key.size, json_true()) == 0;
        p += value_size(p);
        p += value_size(p);
    }
    json_decref(seen);
    return plain;
}

static json_t *map_json(const uint8_t **p, uint64_t count, BinStyle style)
{
    json_t *object = json_object();
    for (uint64_t i = 0; i < count; i++) {
        Slice key = value_string(*p);
        *p += value_size(*p);
        json_t *value = value_json(p, style);
        if (value)
            json_object_setn_new(object, key.data, key.size, value);
    }
    return object;
}

/* The value at *p, which moves behind it; NULL for binary left out. */
static json_t *value_json(const uint8_t **p, BinStyle style)
{
    const uint8_t *at = *p;
    Token t = token_at(at);
    char digits[24];
    *p += t.head + t.size;
    switch (t.kind) {
    case TOKEN_NIL:
        return json_null();
    case TOKEN_BOOL:
        return json_boolean(t.as.boolean);
    case TOKEN_INT:
        return json_integer(t.as.integer);
    case TOKEN_UINT:
        snprintf(digits, sizeof digits, "%" PRIu64, t.as.natural);
        return escape("$uint", json_string(digits));
    case TOKEN_REAL:
        return real_json(t.as.real);
    case TOKEN_STRING:
        return string_json((const char *)at + t.head, t.size);
    case TOKEN_BIN:
        return bin_json(at + t.head, t.size, style);
    case TOKEN_EXT:
        return ext_json(at, &t);
    case TOKEN_ARRAY:
        return array_json(p, t.count, style);
    case TOKEN_MAP:
        if (is_plain_map(*p, t.count))
            return map_json(p, t.count, style);
        return escape("$map", array_json(p, 2 * t.count, style));
    }
    bug("token of kind %d", t.kind);
}

json_t *slice_json_as(Slice value, BinStyle style)
{
    const uint8_t *p = (const uint8_t *)value.data;
    if (!value_whole(value))
        return NULL;
    json_t *v = value_json(&p, style);
    return v ? v : json_null();
}

json_t *slice_json(Slice value)
{
    return slice_json_as(value, BIN_BASE64);
}

/* ---- JSON to msgpack; err is NULL where an escape that is none is an ordinary value ---- */

static bool refuse(Error *err, const char *what)
{
    return err && error_set_status(err, STATUS_CORRUPT, "%s", what);
}

static bool pack_bytes(Packer *p, const json_t *text, bool as_text, Error *err)
{
    size_t n = 0;
    unsigned char *data = json_is_string(text) ? base64_decode(json_string_value(text), json_string_length(text), &n) : NULL;
    if (!data)
        return refuse(err, as_text ? "$str needs base64" : "$bin needs base64");
    if (as_text)
        pack_string_n(p, (const char *)data, n);
    else
        pack_bin(p, data, n);
    free(data);
    return true;
}

static bool pack_special_real(Packer *p, const json_t *text, Error *err)
{
    const char *s = json_string_value(text);
    if (s && strcmp(s, "nan") == 0)
        pack_real(p, (double)NAN);
    else if (s && strcmp(s, "inf") == 0)
        pack_real(p, (double)INFINITY);
    else if (s && strcmp(s, "-inf") == 0)
        pack_real(p, -(double)INFINITY);
    else
        return refuse(err, "$real needs nan, inf or -inf");
    return true;
}

static bool pack_natural(Packer *p, const json_t *text, Error *err)
{
    const char *s = json_string_value(text);
    uint64_t v = 0;
    bool ok = s && *s;
    for (; ok && *s; s++)
        ok =
            *s >= '0' && *s <= '9' && !__builtin_mul_overflow(v, 10u, &v) && !__builtin_add_overflow(v, (unsigned)(*s - '0'), &v);
    if (!ok)
        return refuse(err, "$uint needs a whole number below 2^64, as a string");
    pack_uint(p, v);
    return true;
}

static bool pack_extension(Packer *p, const json_t *pair, Error *err)
{
    const json_t *type = json_array_get(pair, 0), *text = json_array_get(pair, 1);
    size_t n = 0;
    json_int_t number = json_integer_value(type);
    unsigned char *data = NULL;
    if (json_array_size(pair) == 2 && json_is_integer(type) && number >= -128 && number <= 127 && json_is_string(text))
        data = base64_decode(json_string_value(text), json_string_length(text), &n);
    if (!data)
        return refuse(err, "$ext needs a type from -128 to 127 and base64");
    pack_ext(p, (int8_t)number, data, n);
    free(data);
    return true;
}

static bool pack_value(Packer *p, const json_t *value, int depth, Error *err);

static bool pack_pairs(Packer *p, const json_t *items, int depth, Error *err)
{
    size_t n = json_array_size(items);
    if (!json_is_array(items) || n % 2 != 0)
        return refuse(err, "$map needs an array of keys and values in turn");
    pack_map(p, n / 2);
    for (size_t i = 0; i < n; i++)
        if (!pack_value(p, json_array_get(items, i), depth, err))
            return false;
    return true;
}

/* {"$name": value}: the escapes. */
static bool pack_escape(Packer *p, const char *name, const json_t *value, int depth, Error *err)
{
    if (strcmp(name, "$bin") == 0 || strcmp(name, "$str") == 0)
        return pack_bytes(p, value, name[1] == 's', err);
    if (strcmp(name, "$real") == 0)
        return pack_special_real(p, value, err);
    if (strcmp(name, "$uint") == 0)
        return pack_natural(p, value, err);
    if (strcmp(name, "$ext") == 0)
        return pack_extension(p, value, err);
    if (strcmp(name, "$map") == 0)
        return pack_pairs(p, value, depth, err);
    return err &&
           error_set_status(err, STATUS_CORRUPT, "'%.40s': a key that begins with a dollar sign; write the map as $map", name);
}

static bool pack_object(Packer *p, const json_t *object, int depth, Error *err)
{
    const char *key;
    json_t *value;
    size_t before = p->size;
    void *first = json_object_iter((json_t *)(uintptr_t)object);
    if (first && json_object_size(object) == 1 && json_object_iter_key(first)[0] == '$') {
        bool ok = pack_escape(p, json_object_iter_key(first), json_object_iter_value(first), depth, err);
        if (ok || err)
            return ok;
        p->size = before;
    }
    pack_map(p, json_object_size(object));
    json_object_foreach ((json_t *)(uintptr_t)object, key, value) {
        if (key[0] == '$' && err)
            return pack_escape(p, key, NULL, depth, err) && false;
        pack_string(p, key);
        if (!pack_value(p, value, depth, err))
            return false;
    }
    return true;
}

static bool pack_text(Packer *p, const json_t *value, Error *err)
{
    const char *text = json_string_value(value);
    size_t n = json_string_length(value);
    if (err && is_size_mark(text, n))
        return error_set_status(err, STATUS_CORRUPT, "\"%s\" stands for bytes that are not there; print with --bin=base64", text);
    pack_string_n(p, text, n);
    return true;
}

static bool pack_value(Packer *p, const json_t *value, int depth, Error *err)
{
    if (depth > DEPTH_MAX && err)
        return refuse(err, "nested deeper than 256 levels");
    switch (json_typeof(value)) {
    case JSON_NULL:
        pack_nil(p);
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        pack_bool(p, json_is_true(value));
        return true;
    case JSON_INTEGER:
        pack_int(p, json_integer_value(value));
        return true;
    case JSON_REAL:
        pack_real(p, json_real_value(value));
        return true;
    case JSON_STRING:
        return pack_text(p, value, err);
    case JSON_OBJECT:
        return pack_object(p, value, depth + 1, err);
    case JSON_ARRAY:
        break;
    }
    pack_array(p, json_array_size(value));
    for (size_t i = 0; i < json_array_size(value); i++)
        if (!pack_value(p, json_array_get(value, i), depth + 1, err))
            return false;
    return true;
}

bool pack_json_strict(Packer *p, const json_t *value, Error *err)
{
    return pack_value(p, value, 0, err);
}

void pack_json(Packer *p, const json_t *value)
{
    if (!pack_value(p, value, 0, NULL))
        bug("a JSON value that does not become msgpack");
}
