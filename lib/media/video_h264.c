/*
 * Whether a key packet of H.264 is a picture by itself. A recovery point of gradual refresh is flagged as key, too, but its
 * slices refer to other pictures: decoded alone it comes out in part or grey, and the decoder says nothing. This reads the types
 * of slices and nothing else. ISO 14496-10: 7.3.1 (NAL units), 7.3.3 (slice headers), 9.1 (Exp-Golomb codes).
 */
#include <string.h>

#include "media/video_struct.h"

typedef struct Units {
    const uint8_t *at, *end;
    size_t length_bytes; /* before each unit, as MP4 and Matroska have it; 0: start codes between them */
} Units;

static const uint8_t *find_start(const uint8_t *p, const uint8_t *end)
{
    static const uint8_t code[] = {0, 0, 1};
    const uint8_t *found = end > p ? memmem(p, (size_t)(end - p), code, sizeof code) : NULL;
    return found ? found : end;
}

/* The next unit; false when there is none. */
static bool unit_next(Units *u, const uint8_t **data, size_t *size)
{
    if (u->length_bytes == 0) {
        const uint8_t *start = find_start(u->at, u->end);
        if (u->end - start <= 3)
            return false;
        *data = start + 3;
        u->at = find_start(*data, u->end);
        *size = (size_t)(u->at - *data);
        return true;
    }
    uint64_t length = 0;
    if ((size_t)(u->end - u->at) <= u->length_bytes)
        return false;
    for (size_t i = 0; i < u->length_bytes; i++)
        length = length << 8 | *u->at++;
    *data = u->at;
    *size = length < (uint64_t)(u->end - u->at) ? (size_t)length : (size_t)(u->end - u->at);
    u->at += *size;
    return true;
}

/* The first bytes of a unit without what keeps start codes from appearing in it; how many. */
static size_t unescape(uint8_t *out, size_t capacity, const uint8_t *data, size_t size)
{
    size_t n = 0, zeros = 0;
    for (size_t i = 0; i < size && n < capacity; i++) {
        bool escape = zeros >= 2 && data[i] == 3;
        zeros = data[i] == 0 ? zeros + 1 : 0;
        if (!escape)
            out[n++] = data[i];
    }
    return n;
}

/* The Exp-Golomb number at bit *at, which goes behind it; false when the bytes end first. */
static bool golomb(const uint8_t *p, size_t n, size_t *at, uint32_t *out)
{
    size_t zeros = 0;
    uint64_t value = 0;
    while (*at < 8 * n && !(p[*at / 8] >> (7 - *at % 8) & 1))
        zeros++, ++*at;
    if (zeros > 32 || *at + zeros >= 8 * n)
        return false;
    for (size_t i = 0; i <= zeros; i++, ++*at)
        value = value << 1 | (p[*at / 8] >> (7 - *at % 8) & 1);
    *out = (uint32_t)(value - 1);
    return true;
}

bool h264_stands_alone(const AVPacket *packet, const AVCodecParameters *c)
{
    enum { SLICE = 1, SLICE_A = 2, SLICE_IDR = 5, I = 2, SI = 4 };
    Units u = {packet->data, packet->data + packet->size, 0};
    if (c->extradata_size >= 7 && c->extradata[0] == 1)
        u.length_bytes = (size_t)(c->extradata[4] & 3) + 1;
    const uint8_t *data;
    size_t size;
    bool any = false;
    while (unit_next(&u, &data, &size)) {
        uint8_t head[16];
        size_t n = unescape(head, sizeof head, data, size), at = 8;
        uint32_t first_mb, type;
        int unit = n > 0 ? head[0] & 31 : 0;
        if (unit == SLICE_IDR)
            return true;
        if ((unit != SLICE && unit != SLICE_A) || !golomb(head, n, &at, &first_mb) || !golomb(head, n, &at, &type))
            continue;
        if (any && first_mb == 0)
            return true; /* a second field: it may refer to the first */
        if (type % 5 != I && type % 5 != SI)
            return false;
        any = true;
    }
    return true;
}
