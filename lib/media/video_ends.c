/* Whether a container ends where it says it does: nothing else tells what is cut off behind the last packet that came out. */
#include <libavutil/intreadwrite.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/io.h"
#include "media/video_struct.h"

/* A transport stream is made of packets of one size; nothing else tells where it should end. */
static void check_transport(Video *v)
{
    if (v->in.size % 188 && v->in.size % 192 && v->in.size % 204)
        video_fault(v, "%lld bytes after the last whole packet of 188", (long long)(v->in.size % 188));
}

size_t video_read_at(const Video *v, int64_t at, uint8_t *out, size_t n)
{
    if (at > v->in.size)
        return 0;
    if ((int64_t)n > v->in.size - at)
        n = (size_t)(v->in.size - at);
    if (v->in.fd < 0) {
        memcpy(out, v->in.data + at, n);
        return n;
    }
    ssize_t got = pread_in_full(v->in.fd, out, n, at);
    return got < 0 ? 0 : (size_t)got;
}

/* The bytes that the pack header or packet at p says it has, of n that there are; 0 when it is neither. ISO 13818-1, 2.5.3. */
static size_t unit_length(const uint8_t *p, size_t n)
{
    if (p[0] || p[1] || p[2] != 1 || p[3] < 0xb9)
        return 0;
    if (p[3] == 0xb9)
        return 4;
    if (p[3] == 0xba)
        return n > 4 && p[4] >> 4 == 2 ? 12 : n > 13 ? 14 + (size_t)(p[13] & 7) : 14;
    return n < 6 ? 6 : 6 + ((size_t)p[4] << 8 | p[5]);
}

/* Bytes missing behind the chain of units that starts at p: 0 when it ends where the bytes do, -1 when it is no chain. */
static int64_t chain_missing(const uint8_t *p, size_t n)
{
    while (n > 0) {
        if (p[0] == 0 && (n < 3 || p[2] == 0)) { /* zeros between units are stuffing */
            p++, n--;
            continue;
        }
        if (n < 4)
            return p[0] || p[1] || p[2] != 1 ? -1 : (int64_t)(4 - n);
        size_t length = unit_length(p, n);
        if (length == 0)
            return -1;
        if (length > n)
            return (int64_t)(length - n);
        p += length, n -= length;
    }
    return 0;
}

/* A program stream is a chain of units that say how long they are; the end code may be absent, the last unit's end may not. */
static void check_program(Video *v)
{
    enum { TAIL = 1 << 18 };
    static const uint8_t pack[] = {0, 0, 1, 0xba};
    uint8_t *tail = xmalloc(TAIL);
    int64_t missing = -1;
    size_t n = video_read_at(v, v->in.size > TAIL ? v->in.size - TAIL : 0, tail, TAIL);
    for (size_t i = 0; i + sizeof pack <= n && missing < 0; i++)
        if (memcmp(tail + i, pack, sizeof pack) == 0)
            missing = chain_missing(tail + i, n - i);
    if (missing > 0)
        video_fault(v, "the file ends at byte %lld, its last packet lacks %lld bytes", (long long)v->in.size, (long long)missing);
    free(tail);
}

/*
 * An EBML number at head[*at], whose first bit set tells how many bytes it has; *at goes behind it. -1 when all its bits are ones
 * (a length that the writer did not know) or head ends before it does. RFC 8794, section 4.
 */
static int64_t ebml_number(const uint8_t *head, size_t n, size_t *at)
{
    if (*at >= n || head[*at] == 0)
        return -1;
    size_t length = (size_t)__builtin_clz(head[*at]) - 23; /* 1 to 8 */
    if (*at + length > n)
        return -1;
    uint64_t value = head[*at] & (0xffu >> length);
    for (size_t i = 1; i < length; i++)
        value = value << 8 | head[*at + i];
    *at += length;
    return value == (UINT64_C(1) << 7 * length) - 1 ? -1 : (int64_t)value;
}

/* Matroska's segment says how long it is: a cut in what follows the last packet (cues, tags) is told by nothing else. */
static void check_segment(Video *v)
{
    static const uint8_t ebml[] = {0x1a, 0x45, 0xdf, 0xa3}, segment[] = {0x18, 0x53, 0x80, 0x67};
    uint8_t head[256];
    size_t n = video_read_at(v, 0, head, sizeof head), at = sizeof ebml;
    if (n < at || memcmp(head, ebml, sizeof ebml) != 0)
        return;
    int64_t length = ebml_number(head, n, &at);
    if (length < 0 || length > (int64_t)(n - at) - (int64_t)sizeof segment)
        return;
    at += (size_t)length;
    if (memcmp(head + at, segment, sizeof segment) != 0)
        return;
    at += sizeof segment;
    length = ebml_number(head, n, &at);
    if (length > v->in.size - (int64_t)at)
        video_fault(v, "the file ends at byte %lld, its segment promises %lld", (long long)v->in.size,
                    (long long)at + (long long)length);
}

/* Ogg: pages say how long they are, and the last one that it ends the stream. RFC 3533, section 6. */
static void check_ogg(Video *v)
{
    enum { TAIL = 1 << 17, HEADER = 27, LAST = 4 }; /* a page has at most 65307 bytes */
    uint8_t *tail = xmalloc(TAIL);
    int64_t missing = -1;
    bool ends = false;
    size_t n = video_read_at(v, v->in.size > TAIL ? v->in.size - TAIL : 0, tail, TAIL);
    for (size_t from = 0; from + 4 <= n && missing < 0; from++) {
        size_t at = from;
        while (at + 4 <= n && memcmp(tail + at, "OggS", 4) == 0) {
            size_t segments = at + HEADER <= n ? tail[at + HEADER - 1] : 0, length = HEADER + segments;
            for (size_t i = 0; i < segments && at + HEADER + i < n; i++)
                length += tail[at + HEADER + i];
            ends = at + HEADER <= n && tail[at + 5] & LAST;
            at += length;
        }
        if (at > from && at + 4 > n)
            missing = at > n ? (int64_t)(at - n) : 0;
    }
    if (missing > 0)
        video_fault(v, "the file ends at byte %lld, its last page lacks %lld bytes", (long long)v->in.size, (long long)missing);
    else if (missing == 0 && !ends)
        video_fault(v, "its last page, before byte %lld, is not marked as the end of the stream", (long long)v->in.size);
    free(tail);
}

/* NUT: it is closed by an index, whose length stands before its checksum. NUT open container format, "index". */
static void check_nut(Video *v)
{
    static const uint8_t index[] = {'N', 'X', 0xdd, 0x67, 0x2f, 0x23, 0xe6, 0x4e};
    uint8_t end[12], code[8];
    if (v->in.size < 20 || video_read_at(v, v->in.size - 12, end, sizeof end) != sizeof end)
        return;
    uint64_t length = AV_RB64(end);
    if (length > (uint64_t)v->in.size || video_read_at(v, v->in.size - (int64_t)length, code, sizeof code) != sizeof code ||
        memcmp(code, index, sizeof index) != 0)
        video_fault(v, "the file ends at byte %lld without the index that closes it", (long long)v->in.size);
}

/* Nothing but pictures, whose sizes are known: the last one ends where the file does. */
static void check_pictures(Video *v)
{
    if (v->end > 0 && v->end != v->in.size)
        video_fault(v, "the file ends at byte %lld, within a picture", (long long)v->in.size);
}

/* GIF: the last block is followed by a trailer. GIF89a, section 27. */
static void check_gif(Video *v)
{
    uint8_t tail[2] = {0, 0};
    if (v->in.size >= 2 && video_read_at(v, v->in.size - 2, tail, 2) == 2 && (tail[0] != 0 || tail[1] != 0x3b))
        video_fault(v, "the file ends at byte %lld without GIF's trailer", (long long)v->in.size);
}

/* FLV: behind each tag stands its size. Adobe Flash Video File Format Specification 10.1, annex E.3. */
static void check_flv(Video *v)
{
    uint8_t size[4], tag[4];
    if (v->in.size < 13 || video_read_at(v, v->in.size - 4, size, 4) != 4)
        return;
    int64_t length = AV_RB32(size), at = v->in.size - 4 - length;
    if (length < 11 || at < 13 || video_read_at(v, at, tag, 4) != 4 || AV_RB24(tag + 1) + 11 != length)
        video_fault(v, "no whole tag ends where the file does, at byte %lld", (long long)v->in.size);
}

void video_check_bytes(Video *v)
{
    static const struct {
        const char *format; /* FFmpeg's name of the demuxer */
        void (*check)(Video *);
    } ends[] = {
        {"mpegts", check_transport},
        {"mpeg", check_program},
        {"matroska,webm", check_segment},
        {"ogg", check_ogg},
        {"gif", check_gif},
        {"flv", check_flv},
        {"nut", check_nut},
        {"yuv4mpegpipe", check_pictures},
        {"dv", check_pictures},
        {"obu", check_pictures},
        {"mov,mp4,m4a,3gp,3g2,mj2", check_boxes},
        {"avi", check_riff},
        {"mxf", check_mxf},
        {"asf", check_asf},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++)
        if (strcmp(v->format->iformat->name, ends[i].format) == 0)
            ends[i].check(v);
}
