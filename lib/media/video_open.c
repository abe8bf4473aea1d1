/* From bytes to a container, a stream and a decoder; see video.h. */
#include <libavutil/opt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/io.h"
#include "media/video_struct.h"

enum { IO_BYTES = 1 << 16 };

static int on_interrupt(void *opaque)
{
    return video_stopped(opaque);
}

static int on_read(void *opaque, uint8_t *out, int n)
{
    Video *v = opaque;
    if (video_stopped(v))
        return AVERROR_EXIT;
    int64_t left = v->in.size - v->at;
    if (left <= 0)
        return AVERROR_EOF;
    if (n > left)
        n = (int)left;
    if (v->in.fd < 0) {
        memcpy(out, v->in.data + v->at, (size_t)n);
    } else {
        ssize_t got = pread_in_full(v->in.fd, out, (size_t)n, v->at);
        if (got < 0)
            return AVERROR(EIO);
        if (got == 0)
            return AVERROR_EOF;
        n = (int)got;
    }
    v->at += n;
    return n;
}

static int64_t on_seek(void *opaque, int64_t offset, int whence)
{
    Video *v = opaque;
    if (whence & AVSEEK_SIZE)
        return v->in.size;
    whence &= ~AVSEEK_FORCE;
    int64_t to = whence == SEEK_CUR ? v->at + offset : whence == SEEK_END ? v->in.size + offset : offset;
    if (to < 0)
        return AVERROR(EINVAL);
    return v->at = to;
}

/* A file that names other files gets none of them. */
static int refuse_open(AVFormatContext *s, AVIOContext **pb, const char *url, int flags, AVDictionary **options)
{
    (void)s;
    (void)pb;
    (void)url;
    (void)flags;
    (void)options;
    return AVERROR(EPERM);
}

static bool open_failed(Video *v, const char *what, int code)
{
    char text[AV_ERROR_MAX_STRING_SIZE];
    av_strerror(code, text, sizeof text);
    v->report.verdict = v->timed_out ? VERDICT_TIMED_OUT : v->cut ? VERDICT_CUT : VERDICT_UNREADABLE;
    snprintf(v->report.reason, sizeof v->report.reason, "%s: %s%s%s", what, v->timed_out ? "the time is up" : text,
             log_count() ? "; " : "", log_count() ? log_text() : "");
    return false;
}

static void open_refused(Video *v, const AVInputFormat *found)
{
    v->report.verdict = VERDICT_UNREADABLE;
    snprintf(v->report.reason, sizeof v->report.reason,
             "FFmpeg takes it for '%s' (%s), which is not read: it holds no video, or names other files or hosts", found->name,
             found->long_name ? found->long_name : "");
}

/* The container that the bytes are in, if it is among those that are read. */
static const AVInputFormat *known_container(Video *v)
{
    const AVInputFormat *found = NULL;
    int rc = av_probe_input_buffer2(v->io, &found, NULL, NULL, 0, 0);
    if (rc >= 0 && format_is_read(found))
        return found;
    if (rc >= 0)
        open_refused(v, found);
    else
        open_failed(v, "no video that FFmpeg knows", rc);
    return NULL;
}

/* As avformat does it: by growing beginnings, each of which ends in zeros. Of what only looks a little like one, a name would
 * have to tell. */
bool video_probe(const VideoInput *in)
{
    enum { FIRST = 1 << 11, MOST = 1 << 17 };
    uint8_t *head = xcalloc(1, MOST + AVPROBE_PADDING_SIZE);
    const AVInputFormat *found = NULL;
    int64_t got = 0;
    log_reset();
    for (int n = FIRST; n <= MOST && !found && got < in->size; n *= 2) {
        int64_t want = in->size < n ? in->size : n;
        if (in->fd < 0)
            memcpy(head, in->data, (size_t)want);
        else if (pread_in_full(in->fd, head, (size_t)want, 0) != want)
            break;
        got = want;
        int score = AVPROBE_SCORE_RETRY;
        found = av_probe_input_format2(&(AVProbeData){.filename = "", .buf = head, .buf_size = (int)got}, 1, &score);
    }
    free(head);
    return found && format_is_read(found);
}

/* What demuxers open by themselves, past io_open, is held to these. */
static AVDictionary *closed_doors(void)
{
    AVDictionary *options = NULL;
    if (av_dict_set(&options, "protocol_whitelist", "none", 0) < 0 ||
        av_dict_set(&options, "format_whitelist", formats_read, 0) < 0)
        die_status(STATUS_MEMORY, "out of memory");
    return options;
}

static bool open_container(Video *v)
{
    v->io = avio_alloc_context(av_malloc(IO_BYTES), IO_BYTES, 0, v, on_read, NULL, on_seek);
    v->format = avformat_alloc_context();
    if (!v->io || !v->format)
        die_status(STATUS_MEMORY, "out of memory");
    v->format->pb = v->io;
    v->format->flags |= AVFMT_FLAG_CUSTOM_IO; /* closing it leaves pb to us, also when it was never opened */
    v->format->io_open = refuse_open;
    v->format->interrupt_callback = (AVIOInterruptCB){on_interrupt, v};
    const AVInputFormat *container = known_container(v);
    if (!container)
        return false;
    AVDictionary *options = closed_doors();
    int rc = avformat_open_input(&v->format, NULL, container, &options);
    av_dict_free(&options);
    return rc >= 0 || open_failed(v, "no video that FFmpeg knows", rc);
}

/* Whether the header alone says enough to decode: then the costly look into the stream is spared. */
static bool header_suffices(const AVFormatContext *f)
{
    if (!strstr(f->iformat->name, "mp4") && !strstr(f->iformat->name, "matroska"))
        return false;
    for (unsigned i = 0; i < f->nb_streams; i++) {
        const AVCodecParameters *p = f->streams[i]->codecpar;
        if (p->codec_type == AVMEDIA_TYPE_VIDEO && (p->codec_id == AV_CODEC_ID_NONE || p->width < 1 || p->height < 1))
            return false;
    }
    return f->nb_streams > 0;
}

/* avformat_find_stream_info; its own decoders may find out how large pictures are, within what is ever decoded. */
static int look_into(Video *v)
{
    unsigned n = v->format->nb_streams;
    AVDictionary **options = xcalloc(n + 1, sizeof *options);
    for (unsigned i = 0; i < n; i++)
        if (av_dict_set_int(&options[i], "max_pixels", IMAGE_MAX_PIXELS, 0) < 0)
            die_status(STATUS_MEMORY, "out of memory");
    int rc = avformat_find_stream_info(v->format, options);
    for (unsigned i = 0; i < n; i++)
        av_dict_free(&options[i]);
    free(options);
    return rc;
}

/* Whether the header promises pictures that are small enough. */
static bool check_pixels(Video *v)
{
    const AVCodecParameters *p = v->stream->codecpar;
    if ((int64_t)p->width * p->height <= v->choice.max_pixels)
        return true;
    v->report.verdict = VERDICT_TOO_LARGE;
    snprintf(v->report.reason, sizeof v->report.reason, "pictures of %d x %d pixels, expected at most %lld in all", p->width,
             p->height, (long long)v->choice.max_pixels);
    return false;
}

static bool open_stream(Video *v)
{
    if (v->format->duration > 0)
        v->promised = (double)v->format->duration / AV_TIME_BASE;
    if (!header_suffices(v->format)) {
        int rc = look_into(v);
        if (rc < 0)
            return open_failed(v, "no stream could be understood", rc);
    }
    const AVCodec *codec = NULL;
    int index = av_find_best_stream(v->format, AVMEDIA_TYPE_VIDEO, -1, -1, &codec, 0);
    if (index < 0 || v->format->streams[index]->disposition & AV_DISPOSITION_ATTACHED_PIC)
        return open_failed(v, "no video stream", index < 0 ? index : AVERROR_STREAM_NOT_FOUND);
    v->stream = v->format->streams[index];
    if (!check_pixels(v))
        return false;
    v->decoder = avcodec_alloc_context3(codec);
    if (!v->decoder || avcodec_parameters_to_context(v->decoder, v->stream->codecpar) < 0)
        die_status(STATUS_MEMORY, "out of memory");
    v->decoder->thread_count = 1;              /* one file, one core: files run beside each other */
    v->decoder->max_pixels = IMAGE_MAX_PIXELS; /* counts a margin as well: the exact limit is looked at in the frames */
    v->decoder->pkt_timebase = v->stream->time_base;
    v->decoder->flags |=
        AV_CODEC_FLAG_OUTPUT_CORRUPT; /* a broadcast's I picture is no IDR picture; real damage is told by the errors */
    int rc = avcodec_open2(v->decoder, codec, NULL);
    return rc >= 0 || open_failed(v, "no decoder", rc);
}

Video *video_open(const VideoInput *in, const VideoChoice *choice, VideoReport *report)
{
    Video *v = xcalloc(1, sizeof *v);
    v->in = *in;
    v->choice = *choice;
    v->packet = av_packet_alloc();
    v->frame = av_frame_alloc();
    if (!v->packet || !v->frame)
        die_status(STATUS_MEMORY, "out of memory");
    log_reset();
    bool ok = in->size > 0 ? open_container(v) && open_stream(v) : open_failed(v, "the file is empty", AVERROR_EOF);
    *report = v->report;
    if (!ok) {
        video_free(v);
        return NULL;
    }
    return v;
}

void video_free(Video *v)
{
    if (!v)
        return;
    sws_freeContext(v->sws);
    av_frame_free(&v->frame);
    av_packet_free(&v->packet);
    avcodec_free_context(&v->decoder);
    avformat_close_input(&v->format);
    if (v->io)
        av_freep(&v->io->buffer);
    avio_context_free(&v->io);
    free(v->keys);
    free(v->luma);
    free(v->luma_before);
    free(v);
}
