/* What is wrong with a video: FFmpeg's errors, and what the container promised but did not hold. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "media/video_struct.h"

/* FFmpeg logs by one callback for all threads; a file is decoded by one thread, so its errors are counted there. */
static _Thread_local struct {
    int count;
    char text[256];
} logged;

static void on_log(void *object, int level, const char *format, va_list args)
{
    (void)object;
    if (level > AV_LOG_ERROR)
        return;
    if (logged.count++ > 0)
        return;
    vsnprintf(logged.text, sizeof logged.text, format, args);
    logged.text[strcspn(logged.text, "\n")] = '\0';
}

void log_reset(void)
{
    av_log_set_callback(on_log);
    logged.count = 0;
    logged.text[0] = '\0';
}

int log_count(void)
{
    return logged.count;
}

const char *log_text(void)
{
    return logged.text;
}

void video_fault(Video *v, const char *format, ...)
{
    if (v->report.verdict != VERDICT_COMPLETE)
        return;
    v->report.verdict = VERDICT_DAMAGED;
    va_list args;
    va_start(args, format);
    vsnprintf(v->report.reason, sizeof v->report.reason, format, args);
    va_end(args);
}

static int by_stamp(const void *a, const void *b)
{
    int64_t x = ((const Stamp *)a)->dts, y = ((const Stamp *)b)->dts;
    return (x > y) - (x < y);
}

static bool came_out(const Video *v, int64_t stamp)
{
    Stamp want = {.dts = stamp};
    if (bsearch(&want, v->keys, v->n_keys, sizeof *v->keys, by_stamp))
        return true;
    for (size_t i = 0; i < v->n_keys; i++)
        if (v->keys[i].pts == stamp)
            return true;
    return false;
}

/* Samples that the index lists as key and that never came out as such, and samples that lie beyond the end of the file. */
static void check_index(Video *v)
{
    int64_t absent = 0, beyond = 0, n = avformat_index_get_entries_count(v->stream);
    if (v->n_keys > 0)
        qsort(v->keys, v->n_keys, sizeof *v->keys, by_stamp);
    for (int64_t i = 0; i < n; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(v->stream, (int)i);
        if (e->flags & AVINDEX_DISCARD_FRAME)
            continue;
        beyond += e->pos + e->size > v->in.size;
        if (e->flags & AVINDEX_KEYFRAME)
            absent += !came_out(v, e->timestamp);
    }
    if (beyond > 0)
        video_fault(v, "%lld of %lld samples lie beyond the end of the file at byte %lld", (long long)beyond, (long long)n,
                    (long long)v->in.size);
    if (absent > 0)
        video_fault(v, "%lld keyframes of the index did not come out", (long long)absent);
    if (v->choice.mode == VIDEO_KEYFRAMES || v->lost == 0)
        v->lost += absent;
}

static void check_duration(Video *v)
{
    double seen = v->any_time ? v->last - (v->first < 0 ? v->first : 0) : 0, slack = v->promised * 0.01;
    if (slack < 0.5)
        slack = 0.5;
    if (v->promised > 0 && seen < v->promised - slack)
        video_fault(v, "the packets end at %.3f s, the header promises %.3f s", seen, v->promised);
}

/* A transport stream is made of packets of one size; nothing else tells where it should end. */
static void check_tail(Video *v)
{
    if (strcmp(v->format->iformat->name, "mpegts") == 0 && v->in.size % 188 && v->in.size % 192 && v->in.size % 204)
        video_fault(v, "%lld bytes after the last whole packet of 188", (long long)(v->in.size % 188));
}

/* Up to n bytes of the source from byte `at` on; how many there are. */
static size_t read_at(const Video *v, int64_t at, uint8_t *out, size_t n)
{
    if ((int64_t)n > v->in.size - at)
        n = (size_t)(v->in.size - at);
    if (v->in.fd < 0) {
        memcpy(out, v->in.data + at, n);
        return n;
    }
    ssize_t got = pread(v->in.fd, out, n, at);
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
    uint8_t *tail = strcmp(v->format->iformat->name, "mpeg") == 0 ? malloc(TAIL) : NULL;
    if (!tail)
        return;
    int64_t missing = -1;
    size_t n = read_at(v, v->in.size > TAIL ? v->in.size - TAIL : 0, tail, TAIL);
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
    size_t n = read_at(v, 0, head, sizeof head), at = sizeof ebml;
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

void video_check_end(Video *v)
{
    bool mov = strstr(v->format->iformat->name, "mp4"), matroska = strstr(v->format->iformat->name, "matroska");
    if (mov || matroska)
        check_index(v);
    if (matroska && log_count() > 0 && strstr(log_text(), "rematurely"))
        video_fault(v, "the file ends too early, at byte %lld: %s", (long long)v->in.size, log_text());
    if (matroska)
        check_segment(v);
    check_tail(v);
    check_program(v);
    check_duration(v);
    if (!v->any_packet)
        video_fault(v, "there is no packet in it");
}
