/* An H.264 MP4 in memory; see video_write.h. Colours are BT.709 in limited range, and the stream says so. */
#include "media/video_write.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/cpu.h>
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <stdlib.h>
#include <string.h>

struct VideoWriter {
    AVCodecContext *codec; /* owned, as all that follows */
    AVFormatContext *file;
    struct SwsContext *colours;
    AVFrame *frame;
    AVPacket *packet;
    int64_t frames; /* so far */
};

static bool failed(Error *err, const char *what, int code)
{
    char reason[AV_ERROR_MAX_STRING_SIZE] = "";
    av_strerror(code, reason, sizeof reason);
    return error_set(err, "%s: %s", what, reason);
}

/*
 * With AVX-512, libx264 164 (Debian 12) gives one clip in some hundred other bytes now and then, of the same frames in one
 * thread; with AVX2 it does not (60 of 60 against 47 of 60). So it is held to that, which every processor with AVX-512 has.
 */
static const char *x264_options(void)
{
    return av_get_cpu_flags() & AV_CPU_FLAG_AVX512 ? "scenecut=0:asm=MMXEXT,SSE2Fast,SSSE3,SSE4.2,AVX,FMA3,BMI2,AVX2"
                                                   : "scenecut=0";
}

static bool codec_open(VideoWriter *w, const VideoSettings *s, Error *err)
{
    const AVCodec *x264 = avcodec_find_encoder_by_name("libx264");
    if (!x264)
        return error_set(err, "this libavcodec has no encoder libx264");
    AVCodecContext *c = w->codec = avcodec_alloc_context3(x264);
    if (!c)
        return failed(err, "allocate an encoder", AVERROR(ENOMEM));
    c->width = s->width;
    c->height = s->height;
    c->time_base = (AVRational){1, s->rate};
    c->framerate = (AVRational){s->rate, 1};
    c->pix_fmt = AV_PIX_FMT_YUV420P;
    c->color_range = AVCOL_RANGE_MPEG;
    c->colorspace = AVCOL_SPC_BT709;
    c->color_primaries = AVCOL_PRI_BT709;
    c->color_trc = AVCOL_TRC_BT709;
    c->gop_size = 1 << 20; /* keyframes only where they are asked for */
    c->thread_count = 1;
    c->flags |= AV_CODEC_FLAG_BITEXACT | AV_CODEC_FLAG_GLOBAL_HEADER;
    av_opt_set(c->priv_data, "preset", "veryfast", 0);
    av_opt_set_int(c->priv_data, "crf", s->quality, 0);
    av_opt_set_int(c->priv_data, "forced-idr", 1, 0);
    av_opt_set(c->priv_data, "x264-params", x264_options(), 0);
    int code = avcodec_open2(c, x264, NULL);
    return code == 0 || failed(err, "open libx264", code);
}

static bool file_open(VideoWriter *w, Error *err)
{
    int code = avformat_alloc_output_context2(&w->file, NULL, "mp4", NULL);
    if (code < 0)
        return failed(err, "open an mp4 file", code);
    w->file->flags |= AVFMT_FLAG_BITEXACT;
    AVStream *stream = avformat_new_stream(w->file, NULL);
    if (!stream || avcodec_parameters_from_context(stream->codecpar, w->codec) < 0)
        return failed(err, "open an mp4 file", AVERROR(ENOMEM));
    stream->time_base = w->codec->time_base;
    stream->avg_frame_rate = w->codec->framerate;
    code = avio_open_dyn_buf(&w->file->pb);
    if (code >= 0)
        code = avformat_write_header(w->file, NULL);
    return code >= 0 || failed(err, "begin an mp4 file", code);
}

static bool frame_open(VideoWriter *w, const VideoSettings *s, Error *err)
{
    w->packet = av_packet_alloc();
    w->frame = av_frame_alloc();
    if (!w->packet || !w->frame)
        return failed(err, "allocate a frame", AVERROR(ENOMEM));
    w->frame->format = AV_PIX_FMT_YUV420P;
    w->frame->width = s->width;
    w->frame->height = s->height;
    w->frame->color_range = AVCOL_RANGE_MPEG;
    w->frame->colorspace = AVCOL_SPC_BT709;
    int code = av_frame_get_buffer(w->frame, 0);
    if (code < 0)
        return failed(err, "allocate a frame", code);
    w->colours = sws_getContext(s->width, s->height, AV_PIX_FMT_RGB24, s->width, s->height, AV_PIX_FMT_YUV420P,
                                SWS_BICUBIC | SWS_ACCURATE_RND | SWS_BITEXACT, NULL, NULL, NULL);
    if (!w->colours)
        return error_set(err, "no conversion of %dx%d frames to yuv420p", s->width, s->height);
    const int *bt709 = sws_getCoefficients(SWS_CS_ITU709);
    sws_setColorspaceDetails(w->colours, bt709, 1, bt709, 0, 0, 1 << 16, 1 << 16);
    return true;
}

VideoWriter *video_writer_new(const VideoSettings *settings, Error *err)
{
    if (settings->width % 2 || settings->height % 2) {
        error_set(err, "frames of %dx%d: H.264 in 4:2:0 needs even sizes", settings->width, settings->height);
        return NULL;
    }
    av_log_set_level(AV_LOG_ERROR); /* x264 prints its statistics otherwise */
    VideoWriter *w = xcalloc(1, sizeof *w);
    if (codec_open(w, settings, err) && file_open(w, err) && frame_open(w, settings, err))
        return w;
    video_writer_free(w);
    return NULL;
}

/* Moves what the encoder has ready into the file. */
static bool packets_write(VideoWriter *w, Error *err)
{
    for (;;) {
        int code = avcodec_receive_packet(w->codec, w->packet);
        if (code == AVERROR(EAGAIN) || code == AVERROR_EOF)
            return true;
        if (code < 0)
            return failed(err, "encode a frame", code);
        w->packet->stream_index = 0;
        w->packet->duration = 1;
        av_packet_rescale_ts(w->packet, w->codec->time_base, w->file->streams[0]->time_base);
        code = av_interleaved_write_frame(w->file, w->packet);
        if (code < 0)
            return failed(err, "write a packet", code);
    }
}

bool video_writer_frame(VideoWriter *w, const uint8_t *rgb, bool cut, Error *err)
{
    int code = av_frame_make_writable(w->frame);
    if (code < 0)
        return failed(err, "allocate a frame", code);
    const int stride = 3 * w->frame->width;
    sws_scale(w->colours, &rgb, &stride, 0, w->frame->height, w->frame->data, w->frame->linesize);
    w->frame->pts = w->frames++;
    w->frame->pict_type = cut ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    code = avcodec_send_frame(w->codec, w->frame);
    if (code < 0)
        return failed(err, "encode a frame", code);
    return packets_write(w, err);
}

bool video_writer_take(VideoWriter *w, uint8_t **data, size_t *size, Error *err)
{
    int code = avcodec_send_frame(w->codec, NULL);
    if (code < 0)
        return failed(err, "end the encoder", code);
    if (!packets_write(w, err))
        return false;
    code = av_write_trailer(w->file);
    uint8_t *bytes = NULL;
    int n = avio_close_dyn_buf(w->file->pb, &bytes);
    w->file->pb = NULL;
    bool ok = code >= 0 && n > 0;
    if (ok) {
        *data = xmalloc((size_t)n); /* av_malloc'ed bytes must not reach free() */
        memcpy(*data, bytes, (size_t)n);
        *size = (size_t)n;
    }
    av_free(bytes);
    return ok || failed(err, "end an mp4 file", code);
}

void video_writer_free(VideoWriter *w)
{
    if (!w)
        return;
    if (w->file && w->file->pb) {
        uint8_t *bytes = NULL;
        avio_close_dyn_buf(w->file->pb, &bytes);
        av_free(bytes);
    }
    avformat_free_context(w->file);
    avcodec_free_context(&w->codec);
    av_frame_free(&w->frame);
    av_packet_free(&w->packet);
    sws_freeContext(w->colours);
    free(w);
}
