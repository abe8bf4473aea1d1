/* Between msgpack and JSON: binary is {"$bin": base64}; see stream.h. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "stream/base64.h"
#include "stream/mp.h"

static json_t *to_json(const msgpack_object *o);

static json_t *array_to_json(const msgpack_object *o)
{
    json_t *array = json_array();
    for (uint32_t i = 0; i < o->via.array.size; i++)
        json_array_append_new(array, to_json(&o->via.array.ptr[i]));
    return array;
}

/* Keys that are no strings cannot be said in JSON; the whole value is then NULL. */
static json_t *map_to_json(const msgpack_object *o)
{
    json_t *object = json_object();
    for (uint32_t i = 0; i < o->via.map.size; i++) {
        const msgpack_object_kv *kv = &o->via.map.ptr[i];
        json_t *value = kv->key.type == MSGPACK_OBJECT_STR ? to_json(&kv->val) : NULL;
        if (!value || json_object_setn_new(object, kv->key.via.str.ptr, kv->key.via.str.size, value) != 0) {
            json_decref(object);
            return NULL;
        }
    }
    return object;
}

static json_t *bin_to_json(const void *data, size_t size)
{
    char *text = base64_encode(data, size);
    json_t *object = json_pack("{s:s}", "$bin", text);
    free(text);
    return object;
}

static json_t *to_json(const msgpack_object *o)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        return json_null();
    case MSGPACK_OBJECT_BOOLEAN:
        return json_boolean(o->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return o->via.u64 <= INT64_MAX ? json_integer((json_int_t)o->via.u64) : json_real((double)o->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_integer(o->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return isfinite(o->via.f64) ? json_real(o->via.f64) : json_null();
    case MSGPACK_OBJECT_STR:
        return json_stringn(o->via.str.ptr, o->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return bin_to_json(o->via.bin.ptr, o->via.bin.size);
    case MSGPACK_OBJECT_ARRAY:
        return array_to_json(o);
    case MSGPACK_OBJECT_MAP:
        return map_to_json(o);
    default:
        return json_null();
    }
}

json_t *slice_json(Slice value)
{
    msgpack_zone *zone = mp_zone_new();
    msgpack_object o;
    size_t at = 0;
    json_t *json = mp_next(value.data, value.size, &at, zone, &o) == MP_OK ? to_json(&o) : NULL;
    msgpack_zone_free(zone);
    return json;
}

/* {"$bin": base64}: packed as binary. False when it is not such an object. */
static bool pack_json_bin(Packer *p, const json_t *value)
{
    const json_t *text = json_object_size(value) == 1 ? json_object_get(value, "$bin") : NULL;
    size_t size;
    void *data = json_is_string(text) ? base64_decode(json_string_value(text), json_string_length(text), &size) : NULL;
    if (data)
        pack_bin(p, data, size);
    free(data);
    return data != NULL;
}

void pack_json(Packer *p, const json_t *value)
{
    size_t i;
    const char *key;
    json_t *item;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        if (pack_json_bin(p, value))
            return;
        pack_map(p, json_object_size(value));
        json_object_foreach ((json_t *)value, key, item) {
            pack_string(p, key);
            pack_json(p, item);
        }
        return;
    case JSON_ARRAY:
        pack_array(p, json_array_size(value));
        json_array_foreach (value, i, item)
            pack_json(p, item);
        return;
    case JSON_STRING:
        pack_string_n(p, json_string_value(value), json_string_length(value));
        return;
    case JSON_INTEGER:
        pack_int(p, json_integer_value(value));
        return;
    case JSON_REAL:
        pack_real(p, json_real_value(value));
        return;
    case JSON_TRUE:
    case JSON_FALSE:
        pack_bool(p, json_is_true(value));
        return;
    case JSON_NULL:
        pack_nil(p);
        return;
    }
}
