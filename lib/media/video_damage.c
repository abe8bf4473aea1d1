/* What is wrong with a video: FFmpeg's errors, and what the container promised but did not hold. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

void gaps_add(VideoGaps *g, double time, int64_t byte, const char *reason)
{
    if (g->count == GAPS_MAX) {
        g->more++;
        return;
    }
    g->items = array_reserve(g->items, &g->capacity, g->count + 1, sizeof *g->items);
    g->items[g->count++] = (VideoGap){time, byte, xstrdup(reason)};
}

void gaps_release(VideoGaps *g)
{
    for (size_t i = 0; i < g->count; i++)
        free(g->items[i].reason);
    free(g->items);
    *g = (VideoGaps){0};
}

/* The first reason is kept. */
static void blame(Video *v, const char *reason)
{
    if (v->report.verdict != VERDICT_COMPLETE)
        return;
    v->report.verdict = VERDICT_DAMAGED;
    snprintf(v->report.reason, sizeof v->report.reason, "%s", reason);
}

static void note_gap(Video *v, double time, int64_t byte, const char *reason)
{
    blame(v, reason);
    if (v->choice.gaps)
        gaps_add(v->choice.gaps, time, byte, reason);
}

void video_fault(Video *v, const char *format, ...)
{
    char reason[sizeof v->report.reason];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    note_gap(v, NAN, -1, reason);
}

void packet_fault(Video *v, const char *format, ...)
{
    char reason[sizeof v->report.reason];
    const AVPacket *p = v->packet;
    int64_t stamp = p->pts != AV_NOPTS_VALUE ? p->pts : p->dts;
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    note_gap(v, stamp != AV_NOPTS_VALUE ? (double)stamp * av_q2d(v->stream->time_base) : NAN, p->pos, reason);
}

static int by_stamp(const void *a, const void *b)
{
    int64_t x = ((const Stamp *)a)->dts, y = ((const Stamp *)b)->dts;
    return (x > y) - (x < y);
}

static bool came_out(const Video *v, int64_t stamp)
{
    Stamp want = {.dts = stamp};
    if (v->n_keys > 0 && bsearch(&want, v->keys, v->n_keys, sizeof *v->keys, by_stamp))
        return true;
    for (size_t i = 0; i < v->n_keys; i++)
        if (v->keys[i].pts == stamp)
            return true;
    return false;
}

/* A keyframe that the index lists and that never came out as such. */
static void note_absent(Video *v, const AVIndexEntry *e)
{
    char reason[128];
    double time = (double)e->timestamp * av_q2d(v->stream->time_base);
    snprintf(reason, sizeof reason, "the keyframe of the index at %.3f s did not come out", time);
    note_gap(v, time, e->pos, reason);
}

/* Samples that the index lists as key and that did not come out, and samples that lie beyond the end of the file. */
static void check_index(Video *v)
{
    int64_t absent = 0, beyond = 0, n = avformat_index_get_entries_count(v->stream);
    if (v->n_keys > 0)
        qsort(v->keys, v->n_keys, sizeof *v->keys, by_stamp);
    for (int64_t i = 0; i < n; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(v->stream, (int)i);
        if (!(e->flags & AVINDEX_DISCARD_FRAME))
            beyond += e->pos + e->size > v->in.size;
    }
    if (beyond > 0)
        video_fault(v, "%lld of %lld samples lie beyond the end of the file at byte %lld", (long long)beyond, (long long)n,
                    (long long)v->in.size);
    for (int64_t i = 0; i < n; i++) {
        const AVIndexEntry *e = avformat_index_get_entry(v->stream, (int)i);
        if (e->flags & AVINDEX_DISCARD_FRAME || !(e->flags & AVINDEX_KEYFRAME) || came_out(v, e->timestamp))
            continue;
        note_absent(v, e);
        absent++;
    }
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

void video_check_end(Video *v)
{
    bool mov = strstr(v->format->iformat->name, "mp4"), matroska = strstr(v->format->iformat->name, "matroska");
    if (mov || matroska)
        check_index(v);
    if (matroska && log_count() > 0 && strstr(log_text(), "rematurely"))
        video_fault(v, "the file ends too early, at byte %lld: %s", (long long)v->in.size, log_text());
    video_check_bytes(v);
    check_duration(v);
    if (!v->any_packet)
        video_fault(v, "there is no packet in it");
}
