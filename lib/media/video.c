/* Reading and decoding; see video.h. Opened in video_open.c; pictures are made in video_frame.c, verdicts in video_damage.c. */
#include "media/video.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/signals.h"
#include "media/video_struct.h"

static const char *const verdicts[] = {"complete", "damaged", "unreadable", "timed out", "too large", "cut"};

const char *verdict_name(VideoVerdict v)
{
    return verdicts[v];
}

bool video_stopped(Video *v)
{
    if (interrupted())
        v->cut = true;
    else if (v->choice.until > 0 && seconds_now() > v->choice.until)
        v->timed_out = true;
    return v->cut || v->timed_out;
}

/* Notes where in time a packet of any stream lies: the header's promise is for all of them together. */
static void note_time(Video *v, const AVPacket *p)
{
    const AVStream *s = v->format->streams[p->stream_index];
    int64_t stamp = p->pts != AV_NOPTS_VALUE ? p->pts : p->dts;
    v->any_packet = true;
    if (p->pos >= 0)
        v->end = p->pos + p->size;
    if (stamp == AV_NOPTS_VALUE)
        return;
    double begin = (double)stamp * av_q2d(s->time_base), end = begin + (double)p->duration * av_q2d(s->time_base);
    if (!v->any_time || begin < v->first)
        v->first = begin;
    if (!v->any_time || end > v->last)
        v->last = end;
    v->any_time = true;
}

/*
 * The headers of a further link of a chained Ogg come as packets, flagged as key: the decoder has to have them, but they are no
 * pictures. (It takes the comments, 0x81, for an error.) Theora specification, 6.1.
 */
static bool took_header(Video *v)
{
    const AVPacket *p = v->packet;
    if (v->stream->codecpar->codec_id != AV_CODEC_ID_THEORA || p->size < 1 || !(p->data[0] & 0x80))
        return false;
    if (p->data[0] != 0x81 && avcodec_send_packet(v->decoder, p) < 0)
        packet_fault(v, "a header before byte %lld cannot be understood: %s", (long long)avio_tell(v->io), log_text());
    return true;
}

/* The next packet of the video stream, in v->packet; false at the end of the file, of the time, or of what can be read. */
static bool read_packet(Video *v)
{
    while (!video_stopped(v)) {
        av_packet_unref(v->packet);
        int rc = av_read_frame(v->format, v->packet);
        if (rc == AVERROR_EOF)
            return false;
        if (rc < 0) {
            char text[AV_ERROR_MAX_STRING_SIZE];
            av_strerror(rc, text, sizeof text);
            video_fault(v, "reading stopped at byte %lld of %lld: %s", (long long)avio_tell(v->io), (long long)v->in.size, text);
            return false;
        }
        note_time(v, v->packet);
        if (v->packet->stream_index == v->stream->index && !took_header(v))
            return true;
    }
    return false;
}

/* A recovery point of gradual refresh is flagged as key, but alone it gives part of a picture: the rest refers to others.
 * (Of two fields the second may refer to the first.) */
static bool is_whole(const Video *v)
{
    const AVFrame *f = v->frame;
    if (v->stream->codecpar->codec_id == AV_CODEC_ID_H264)
        return h264_stands_alone(v->packet, v->stream->codecpar);
    return f->key_frame || f->interlaced_frame || f->pict_type == AV_PICTURE_TYPE_I;
}

int video_decode_one(Video *v, const AVPacket *packet, AVFrame *out)
{
    AVFrame *more = NULL;
    int rc = avcodec_send_packet(v->decoder, packet);
    if (rc >= 0)
        rc = avcodec_send_packet(v->decoder, NULL);
    if (rc >= 0)
        rc = avcodec_receive_frame(v->decoder, out);
    if (rc >= 0 && (more = av_frame_alloc()))
        while (avcodec_receive_frame(v->decoder, more) >= 0)
            av_frame_unref(more);
    av_frame_free(&more);
    avcodec_flush_buffers(v->decoder);
    return rc;
}

/* HEVC without a container: its last packet ends where the file does, whole or not. */
static bool ends_anywhere(const Video *v)
{
    return strcmp(v->format->iformat->name, "hevc") == 0 && v->packet->pos + v->packet->size >= v->in.size;
}

/* Decodes the one key packet in v->packet; the first picture that comes out is v->frame. */
static bool decode_key(Video *v)
{
    log_reset();
    av_frame_unref(v->frame);
    int rc = video_decode_one(v, v->packet, v->frame);
    bool decoded = rc >= 0 && v->frame->decode_error_flags == 0 && log_count() == 0;
    bool cut = decoded && ends_anywhere(v) && video_reads_on(v);
    if (decoded && !cut && is_whole(v))
        return true;
    int64_t stamp = v->packet->pts != AV_NOPTS_VALUE ? v->packet->pts : v->packet->dts;
    char place[64];
    if (stamp != AV_NOPTS_VALUE)
        snprintf(place, sizeof place, "at %.3f s", (double)stamp * av_q2d(v->stream->time_base));
    else
        snprintf(place, sizeof place, "before byte %lld", (long long)avio_tell(v->io));
    packet_fault(v, "the keyframe %s cannot be decoded: %s", place,
                 cut           ? "its packet is cut"
                 : log_count() ? log_text()
                 : decoded     ? "it refers to other pictures (gradual refresh); --every decodes them all"
                               : "no picture came out");
    return false;
}

static void note_key(Video *v)
{
    v->keys = array_reserve(v->keys, &v->keys_capacity, v->n_keys + 1, sizeof *v->keys);
    v->keys[v->n_keys++] = (Stamp){v->packet->pts, v->packet->dts};
}

static bool is_shown_key(const AVPacket *p)
{
    return (p->flags & AV_PKT_FLAG_KEY) && !(p->flags & AV_PKT_FLAG_DISCARD);
}

/* FFmpeg's demuxer of DV fills up a cut frame with the one before. */
static bool is_cut(const Video *v)
{
    const AVPacket *p = v->packet;
    return p->flags & AV_PKT_FLAG_CORRUPT || (strcmp(v->format->iformat->name, "dv") == 0 && p->pos + p->size > v->in.size);
}

/* The next key packet, in v->packet. */
static bool read_key(Video *v, bool *cut)
{
    while (read_packet(v)) {
        *cut = is_cut(v);
        if (*cut)
            packet_fault(v, "a packet is cut at byte %lld of %lld", (long long)avio_tell(v->io), (long long)v->in.size);
        if (is_shown_key(v->packet)) {
            note_key(v);
            return true;
        }
    }
    return false;
}

static bool next_key(Video *v, VideoFrame *out)
{
    bool cut;
    while (read_key(v, &cut)) {
        if (cut || !decode_key(v)) {
            v->lost++;
            continue;
        }
        video_describe_key(v, out);
        return true;
    }
    return false;
}

static bool pass_key(Video *v)
{
    bool cut;
    log_reset();
    if (!read_key(v, &cut))
        return false;
    v->lost += cut;
    return true;
}

/* One damaged packet when everything is decoded. */
static void note_damage(Video *v)
{
    v->lost++;
    packet_fault(v, "a packet near %.3f s cannot be decoded: %s", v->last, log_count() ? log_text() : "it is cut");
}

/* The next picture of a full decode, in v->frame; damaged ones are skipped. */
static bool next_decoded(Video *v)
{
    while (!video_stopped(v)) {
        av_frame_unref(v->frame);
        log_reset();
        int rc = avcodec_receive_frame(v->decoder, v->frame);
        if (rc >= 0 && v->frame->decode_error_flags == 0)
            return true;
        if (rc == AVERROR_EOF)
            return false;
        if (rc >= 0)
            note_damage(v);
        if (rc != AVERROR(EAGAIN) && rc < 0)
            note_damage(v);
        if (rc != AVERROR(EAGAIN))
            continue;
        if (v->parts_end)
            return false;
        if (!read_packet(v)) {
            v->parts_end = true;
            avcodec_send_packet(v->decoder, NULL);
            continue;
        }
        if (is_shown_key(v->packet))
            note_key(v);
        log_reset();
        if (avcodec_send_packet(v->decoder, v->packet) < 0 || log_count() > 0 || is_cut(v))
            note_damage(v);
    }
    return false;
}

/* Whether the decoded picture is one that was asked for. */
static bool is_chosen(Video *v, double time)
{
    bool first = !v->any_frame;
    v->any_frame = true;
    if (v->choice.mode == VIDEO_SCENE)
        return video_change(v) > v->choice.amount || first;
    if (first || time < v->time_before - v->choice.amount) /* chained streams begin anew */
        v->next_time = time;
    v->time_before = time;
    time += 1e-6; /* next_time is a sum of rounded numbers */
    if (time < v->next_time)
        return false;
    while (v->next_time <= time)
        v->next_time += v->choice.amount;
    return true;
}

bool video_next(Video *v, VideoFrame *frame)
{
    if (v->choice.mode == VIDEO_KEYFRAMES)
        return next_key(v, frame);
    while (next_decoded(v)) {
        video_describe_decoded(v, frame);
        if (is_chosen(v, frame->time))
            return true;
    }
    return false;
}

/* Whether the key packet in v->packet may hold the frame. */
static bool may_be(const Video *v, const VideoFrame *want)
{
    const AVPacket *p = v->packet;
    if (want->packet >= 0)
        return p->pos == want->packet;
    return want->stamp == STAMP_NONE || (p->pts != AV_NOPTS_VALUE ? p->pts : p->dts) == want->pts;
}

static bool is_found(const VideoFrame *want, const VideoFrame *f)
{
    return f->pts == want->pts && f->stamp == want->stamp && (want->packet < 0 || f->packet == want->packet);
}

bool video_find(Video *v, const VideoFrame *want, VideoFrame *frame)
{
    bool cut;
    if (v->choice.mode == VIDEO_KEYFRAMES) {
        while (read_key(v, &cut))
            if (may_be(v, want) && !cut && decode_key(v)) {
                video_describe_key(v, frame);
                if (is_found(want, frame))
                    return true;
            }
        return false;
    }
    while (next_decoded(v)) {
        video_describe_decoded(v, frame);
        if (is_found(want, frame))
            return true;
    }
    return false;
}

bool video_pass(Video *v)
{
    VideoFrame frame;
    return v->choice.mode == VIDEO_KEYFRAMES ? pass_key(v) : video_next(v, &frame);
}

int64_t video_count(Video *v)
{
    int64_t n = 0;
    while (video_pass(v))
        n++;
    return video_stopped(v) ? -1 : n;
}

VideoReport video_report(Video *v)
{
    if (v->cut || v->timed_out) {
        v->report.verdict = v->cut ? VERDICT_CUT : VERDICT_TIMED_OUT;
        if (v->timed_out)
            snprintf(v->report.reason, sizeof v->report.reason, "the time is up at byte %lld of %lld",
                     (long long)avio_tell(v->io), (long long)v->in.size);
    } else {
        video_check_end(v);
    }
    v->report.missing = v->lost;
    return v->report;
}
