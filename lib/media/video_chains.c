/*
 * Containers that are chains of units, each of which says how long it is: the last unit has to end where the file does. This
 * looks at lengths only, and stops without a word where what it finds is no unit: that is for the demuxer to judge.
 */
#include <libavutil/intreadwrite.h>
#include <string.h>

#include "media/video_struct.h"

/* The length of the unit at byte `at`, at least that of its header; 0 where there is none. */
typedef int64_t UnitLength(const Video *v, int64_t at);

/* Follows the chain that begins at byte `at` and notes what its last unit lacks. */
static void follow(Video *v, int64_t at, UnitLength *length)
{
    int64_t begin = at, n = 1;
    while (at < v->in.size && n > 0) {
        begin = at;
        at += n = length(v, at);
    }
    if (at > v->in.size)
        video_fault(v, "the file ends at byte %lld, %lld bytes before the end of what begins at byte %lld", (long long)v->in.size,
                    (long long)(at - v->in.size), (long long)begin);
}

/* A length of 64 bits that would not overflow. */
static int64_t bounded(uint64_t length)
{
    return length < INT64_MAX / 4 ? (int64_t)length : INT64_MAX / 4;
}

static bool is_printable(const uint8_t *p)
{
    for (int i = 0; i < 4; i++)
        if ((p[i] < 0x20 || p[i] > 0x7e) && p[i] != 0xa9)
            return false;
    return true;
}

/* A box: 32 bits of length, four letters; length 1 stands for 64 bits behind them, 0 for the rest. ISO 14496-12, 4.2. */
static int64_t box_length(const Video *v, int64_t at)
{
    uint8_t p[16];
    size_t n = video_read_at(v, at, p, sizeof p);
    if (n < 8)
        return p[0] == 0 && n > 3 ? 8 : 0; /* of a box's header there is a part */
    if (!is_printable(p + 4))
        return 0;
    uint32_t length = AV_RB32(p);
    if (length == 0)
        return v->in.size - at;
    if (length != 1)
        return length >= 8 ? length : 0;
    return n == 16 && AV_RB64(p + 8) >= 16 ? bounded(AV_RB64(p + 8)) : 16;
}

/* The last fragment may be cut where no keyframe of the video lies: in its sound, or between its index (moof) and its data. */
void check_boxes(Video *v)
{
    follow(v, 0, box_length);
}

/* A chunk: four letters, 32 bits of length, padded to an even one. A list whose writer could not go back holds what follows. */
static int64_t chunk_length(const Video *v, int64_t at)
{
    uint8_t p[12];
    size_t n = video_read_at(v, at, p, sizeof p);
    if (n < 8)
        return 8;
    if (!is_printable(p))
        return 0;
    uint32_t length = AV_RL32(p + 4);
    bool list = memcmp(p, "RIFF", 4) == 0 || memcmp(p, "LIST", 4) == 0;
    if (list && (length == 0 || length == UINT32_MAX))
        return 12;
    return 8 + (int64_t)length + (length & 1);
}

void check_riff(Video *v)
{
    follow(v, 0, chunk_length);
}

/* A unit of MXF: a key of 16 bytes, a length of 1 to 9. SMPTE ST 336. */
static int64_t klv_length(const Video *v, int64_t at)
{
    uint8_t p[25];
    size_t n = video_read_at(v, at, p, sizeof p);
    if (n >= 4 && AV_RB32(p) != 0x060e2b34)
        return 0;
    if (n < 17)
        return 17;
    int bytes = p[16] & 0x80 ? p[16] & 0x7f : 0;
    if (bytes > 8)
        return 0;
    if (17 + (size_t)bytes > n)
        return 17 + bytes;
    uint64_t length = bytes ? 0 : p[16];
    for (int i = 0; i < bytes; i++)
        length = length << 8 | p[17 + i];
    return 17 + bytes + bounded(length);
}

/* The header's partition says where the footer's lies, where its writer could go back. SMPTE ST 377-1. */
void check_mxf(Video *v)
{
    uint8_t p[64];
    if (video_read_at(v, 0, p, sizeof p) < sizeof p || klv_length(v, 0) == 0)
        return;
    size_t value = 17 + (p[16] & 0x80 ? p[16] & 0x7f : 0);
    int64_t footer = value + 32 <= sizeof p ? bounded(AV_RB64(p + value + 24)) : 0;
    if (footer >= v->in.size)
        video_fault(v, "the file ends at byte %lld, before its footer (byte %lld)", (long long)v->in.size, (long long)footer);
    follow(v, footer, klv_length);
}

/* Where `what` stands in the first n bytes at `head`, -1 when it does not. */
static int64_t find(const uint8_t *head, size_t n, const uint8_t what[16])
{
    const uint8_t *found = memmem(head, n, what, 16);
    return found ? found - head : -1;
}

/* Bytes at the end of a live ASF, behind its last whole packet, that are a part of one: an index may follow the packets. */
static int64_t asf_rest(const Video *v, int64_t data, int64_t packet)
{
    static const uint8_t index[] = {0x90, 0x08, 0x00, 0x33};
    int64_t rest = (v->in.size - data) % packet, at = v->in.size - rest;
    uint8_t p[24];
    for (int64_t n = 0; at > data && n < 100; at -= packet, n++) /* an index of 5 to 15 hours */
        if (video_read_at(v, at, p, sizeof p) == sizeof p && memcmp(p, index, sizeof index) == 0)
            return bounded(AV_RL64(p + 16)) > v->in.size - at ? v->in.size - at : 0;
    return rest;
}

/* ASF says how long it is, unless it was written live: then its packets, all of one size, begin behind the head of the data.
 * Advanced Systems Format specification, 3.2 and 5.1. */
void check_asf(Video *v)
{
    static const uint8_t properties[] = {0xa1, 0xdc, 0xab, 0x8c, 0x47, 0xa9, 0xcf, 0x11,
                                         0x8e, 0xe4, 0x00, 0xc0, 0x0c, 0x20, 0x53, 0x65};
    static const uint8_t data[] = {0x36, 0x26, 0xb2, 0x75, 0x8e, 0x66, 0xcf, 0x11,
                                   0xa6, 0xd9, 0x00, 0xaa, 0x00, 0x62, 0xce, 0x6c};
    enum { FILE_SIZE = 40, FLAGS = 88, LEAST = 92, MOST = 96, END = 100, BROADCAST = 1, DATA_HEAD = 50 };
    uint8_t head[1 << 14];
    size_t n = video_read_at(v, 0, head, sizeof head);
    int64_t at = find(head, n, properties), packets = find(head, n, data);
    if (at < 0 || (size_t)at + END > n)
        return;
    const uint8_t *p = head + at;
    uint32_t packet = AV_RL32(p + LEAST);
    if (!(p[FLAGS] & BROADCAST)) {
        if (AV_RL64(p + FILE_SIZE) > (uint64_t)v->in.size)
            video_fault(v, "the file ends at byte %lld, its header promises %llu", (long long)v->in.size,
                        (unsigned long long)AV_RL64(p + FILE_SIZE));
    } else if (packets > 0 && packet > 0 && packet == AV_RL32(p + MOST) && v->in.size > packets + DATA_HEAD) {
        int64_t rest = asf_rest(v, packets + DATA_HEAD, packet);
        if (rest > 0)
            video_fault(v, "the file ends at byte %lld, %lld bytes after its last whole packet", (long long)v->in.size,
                        (long long)rest);
    }
}
