/* Building msgpack values, with msgpack-c; see stream.h. */
#include <msgpack/pack.h>
#include <stdlib.h>
#include <string.h>

#include "stream/stream.h"

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
