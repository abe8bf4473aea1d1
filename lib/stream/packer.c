/* Building msgpack values, with msgpack-c; see stream.h. */
#include <msgpack/pack.h>
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"
#include "stream/token.h"

static int append(void *context, const char *data, size_t n)
{
    Packer *p = context;
    p->data = array_reserve(p->data, &p->capacity, p->size + n, 1);
    if (n > 0)
        memcpy(p->data + p->size, data, n);
    p->size += n;
    return 0;
}

/* msgpack-c's packer is a pair of pointers: made for each call, so that `Packer p = {0}` needs no initializer. */
static msgpack_packer packer_of(Packer *p)
{
    msgpack_packer pk;
    msgpack_packer_init(&pk, p, append);
    return pk;
}

void pack_reset(Packer *p)
{
    p->size = 0;
    p->n_open = 0;
}

void pack_release(Packer *p)
{
    free(p->data);
    *p = (Packer){0};
}

void pack_map(Packer *p, size_t pairs)
{
    msgpack_packer pk = packer_of(p);
    msgpack_pack_map(&pk, pairs);
}

void pack_array(Packer *p, size_t items)
{
    msgpack_packer pk = packer_of(p);
    msgpack_pack_array(&pk, items);
}

void pack_string_n(Packer *p, const char *text, size_t n)
{
    msgpack_packer pk = packer_of(p);
    if (n > UINT32_MAX)
        bug("a string of %zu bytes does not fit msgpack", n);
    msgpack_pack_str(&pk, n);
    append(p, text, n);
}

void pack_string(Packer *p, const char *text)
{
    pack_string_n(p, text, strlen(text));
}

void pack_int(Packer *p, int64_t v)
{
    msgpack_packer pk = packer_of(p);
    msgpack_pack_int64(&pk, v);
}

void pack_uint(Packer *p, uint64_t v)
{
    msgpack_packer pk = packer_of(p);
    msgpack_pack_uint64(&pk, v);
}

void pack_real(Packer *p, double v)
{
    msgpack_packer pk = packer_of(p);
    msgpack_pack_double(&pk, v);
}

void pack_real32(Packer *p, float v)
{
    msgpack_packer pk = packer_of(p);
    msgpack_pack_float(&pk, v);
}

void pack_bool(Packer *p, bool v)
{
    msgpack_packer pk = packer_of(p);
    if (v)
        msgpack_pack_true(&pk);
    else
        msgpack_pack_false(&pk);
}

void pack_nil(Packer *p)
{
    msgpack_packer pk = packer_of(p);
    msgpack_pack_nil(&pk);
}

void pack_bin(Packer *p, const void *data, size_t n)
{
    msgpack_packer pk = packer_of(p);
    if (n > UINT32_MAX)
        bug("%zu bytes do not fit msgpack", n);
    msgpack_pack_bin(&pk, n);
    append(p, data, n);
}

void pack_ext(Packer *p, int8_t type, const void *data, size_t n)
{
    msgpack_packer pk = packer_of(p);
    if (n > UINT32_MAX)
        bug("%zu bytes do not fit msgpack", n);
    msgpack_pack_ext(&pk, n, type);
    append(p, data, n);
}

void pack_ints(Packer *p, const int64_t *v, size_t n)
{
    pack_array(p, n);
    for (size_t i = 0; i < n; i++)
        pack_int(p, v[i]);
}

void pack_reals(Packer *p, const double *v, size_t n)
{
    pack_array(p, n);
    for (size_t i = 0; i < n; i++)
        pack_real(p, v[i]);
}

void pack_raw(Packer *p, Slice value)
{
    append(p, value.data, value.size);
}

/* ---- maps by their fields ---- */

/* A map's header is reserved as this one byte, which is no msgpack: a map that is never ended is refused by every reader. */
static const char UNENDED = (char)0xc1;

void pack_map_begin(Packer *p)
{
    if (p->n_open == PACK_DEPTH)
        bug("more than %d maps in one another", PACK_DEPTH);
    p->open[p->n_open].at = p->size;
    p->open[p->n_open++].keys = 0;
    append(p, &UNENDED, 1);
}

void pack_key(Packer *p, const char *key)
{
    if (p->n_open == 0)
        bug("key %s outside a map", key);
    p->open[p->n_open - 1].keys++;
    pack_string(p, key);
}

/* The header goes where its first byte was reserved; a wider one moves the fields up. */
void pack_map_end(Packer *p)
{
    if (p->n_open == 0)
        bug("pack_map_end without pack_map_begin");
    const size_t at = p->open[--p->n_open].at, keys = p->open[p->n_open].keys, fields = p->size - at - 1;
    if (values_count((Slice){p->data + at + 1, fields}) != 2 * keys)
        bug("a map of %zu keys without one value for each", keys);
    const size_t head = keys < 16 ? 1 : keys <= UINT16_MAX ? 3 : 5;
    append(p, "\0\0\0\0", head - 1);
    memmove(p->data + at + head, p->data + at + 1, fields);
    p->size = at;
    pack_map(p, keys);
    p->size += fields;
}

void pack_field_text(Packer *p, const char *key, const char *text)
{
    pack_key(p, key);
    pack_string(p, text);
}

void pack_field_text_n(Packer *p, const char *key, const char *text, size_t n)
{
    pack_key(p, key);
    pack_string_n(p, text, n);
}

void pack_field_int(Packer *p, const char *key, int64_t v)
{
    pack_key(p, key);
    pack_int(p, v);
}

void pack_field_real(Packer *p, const char *key, double v)
{
    pack_key(p, key);
    pack_real(p, v);
}

void pack_field_bool(Packer *p, const char *key, bool v)
{
    pack_key(p, key);
    pack_bool(p, v);
}

void pack_field_bin(Packer *p, const char *key, const void *data, size_t n)
{
    pack_key(p, key);
    pack_bin(p, data, n);
}

void pack_field_ints(Packer *p, const char *key, const int64_t *v, size_t n)
{
    pack_key(p, key);
    pack_ints(p, v, n);
}

void pack_field_reals(Packer *p, const char *key, const double *v, size_t n)
{
    pack_key(p, key);
    pack_reals(p, v, n);
}

void pack_field_json(Packer *p, const char *key, const json_t *value)
{
    pack_key(p, key);
    pack_json(p, value);
}
