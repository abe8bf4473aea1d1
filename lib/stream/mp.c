/* msgpack values in a buffer; see mp.h. */
#include "stream/mp.h"

MpResult mp_next(const char *data, size_t size, size_t *at, msgpack_zone *zone, msgpack_object *out)
{
    if (*at >= size)
        return MP_SHORT;
    size_t next = *at;
    switch (msgpack_unpack(data, size, &next, zone, out)) {
    case MSGPACK_UNPACK_SUCCESS:
    case MSGPACK_UNPACK_EXTRA_BYTES:
        *at = next;
        return MP_OK;
    case MSGPACK_UNPACK_CONTINUE:
        return MP_SHORT;
    default:
        return MP_BAD;
    }
}

static size_t big_endian(const unsigned char *p, size_t n)
{
    size_t v = 0;
    while (n-- > 0)
        v = v << 8 | *p++;
    return v;
}

MpResult mp_map_head(const char *data, size_t size, size_t *at, size_t *pairs)
{
    if (*at >= size)
        return MP_SHORT;
    const unsigned char *p = (const unsigned char *)data + *at;
    size_t wide = *p == 0xde ? 2 : *p == 0xdf ? 4 : 0;
    if (wide == 0 && (*p & 0xf0) != 0x80)
        return MP_BAD;
    if (size - *at < 1 + wide)
        return MP_SHORT;
    *pairs = wide ? big_endian(p + 1, wide) : *p & 0x0fu;
    *at += 1 + wide;
    return MP_OK;
}

msgpack_zone *mp_zone_new(void)
{
    msgpack_zone *zone = msgpack_zone_new(MSGPACK_ZONE_CHUNK_SIZE);
    if (!zone)
        die_status(STATUS_MEMORY, "out of memory: a msgpack zone");
    return zone;
}
