/* From a decoded frame to pixels, and what there is to say of it: orientation, colour, times, change. */
#include <libavutil/display.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/video_struct.h"

static const int32_t *display_matrix(const Video *v)
{
    const AVFrameSideData *own = av_frame_get_side_data(v->frame, AV_FRAME_DATA_DISPLAYMATRIX);
    if (own && own->size >= 9 * sizeof(int32_t))
        return (const int32_t *)(const void *)own->data;
    size_t size = 0;
    const uint8_t *shared = av_stream_get_side_data(v->stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    return shared && size >= 9 * sizeof(int32_t) ? (const int32_t *)(const void *)shared : NULL;
}

/* A point (x, y) of the picture is shown at (a x + c y, b x + d y); only quarter turns and mirrors are known to EXIF. */
int video_orientation(const Video *v)
{
    const int32_t *m = display_matrix(v);
    if (!m)
        return 1;
    double a = m[0], b = m[1], c = m[3], d = m[4];
    if (fabs(a) + fabs(d) >= fabs(b) + fabs(c))
        return a >= 0 ? (d >= 0 ? 1 : 4) : (d >= 0 ? 2 : 3);
    return b >= 0 ? (c >= 0 ? 5 : 6) : (c >= 0 ? 8 : 7);
}

int frame_colorspace(const AVFrame *f)
{
    switch (f->colorspace) {
    case AVCOL_SPC_BT709:
        return SWS_CS_ITU709;
    case AVCOL_SPC_BT2020_NCL:
    case AVCOL_SPC_BT2020_CL:
        return SWS_CS_BT2020;
    case AVCOL_SPC_SMPTE240M:
        return SWS_CS_SMPTE240M;
    case AVCOL_SPC_FCC:
        return SWS_CS_FCC;
    case AVCOL_SPC_BT470BG:
    case AVCOL_SPC_SMPTE170M:
        return SWS_CS_ITU601;
    default:
        return f->height >= 720 ? SWS_CS_ITU709 : SWS_CS_ITU601;
    }
}

/* FFmpeg's yuvj formats are the ordinary ones in full range. */
static enum AVPixelFormat plain_format(enum AVPixelFormat f)
{
    switch (f) {
    case AV_PIX_FMT_YUVJ420P:
        return AV_PIX_FMT_YUV420P;
    case AV_PIX_FMT_YUVJ422P:
        return AV_PIX_FMT_YUV422P;
    case AV_PIX_FMT_YUVJ444P:
        return AV_PIX_FMT_YUV444P;
    case AV_PIX_FMT_YUVJ440P:
        return AV_PIX_FMT_YUV440P;
    default:
        return f;
    }
}

bool frame_full_range(const AVFrame *f)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    return f->color_range == AVCOL_RANGE_JPEG || plain_format(f->format) != f->format || (d && d->flags & AV_PIX_FMT_FLAG_RGB);
}

bool frame_is_hdr(const AVFrame *f)
{
    return f->color_trc == AVCOL_TRC_SMPTE2084 || f->color_trc == AVCOL_TRC_ARIB_STD_B67;
}

/* Converts the frame, same size, to `to`: planes and strides are out's. */
static bool convert(Video *v, uint8_t *const out[4], const int strides[4], enum AVPixelFormat to, Error *err)
{
    const AVFrame *f = v->frame;
    enum AVPixelFormat from = plain_format(f->format);
    v->sws = sws_getCachedContext(v->sws, f->width, f->height, from, f->width, f->height, to,
                                  SWS_BICUBIC | SWS_ACCURATE_RND | SWS_FULL_CHR_H_INT | SWS_FULL_CHR_H_INP, NULL, NULL, NULL);
    if (!v->sws)
        return error_set(err, "no conversion from pixel format %s", av_get_pix_fmt_name(f->format));
    const int *matrix = sws_getCoefficients(frame_colorspace(f));
    sws_setColorspaceDetails(v->sws, matrix, frame_full_range(f), sws_getCoefficients(SWS_CS_DEFAULT), 1, 0, 1 << 16, 1 << 16);
    if (sws_scale(v->sws, (const uint8_t *const *)f->data, f->linesize, 0, f->height, out, strides) != f->height)
        return error_set(err, "conversion from pixel format %s failed", av_get_pix_fmt_name(f->format));
    return true;
}

bool video_image(Video *v, Image *out, Error *err)
{
    const AVFrame *f = v->frame;
    *out = (Image){0};
    if (f->width < 1 || f->height < 1 || f->width > IMAGE_MAX_SIDE || f->height > IMAGE_MAX_SIDE ||
        (int64_t)f->width * f->height > v->choice.max_pixels)
        return error_set(err, "frame of %d x %d pixels", f->width, f->height);
    image_init(out, f->width, f->height);
    /* swscale's vector code may write past the end of a row: the slack is cut off by copying into the image's own rows */
    int stride = (f->width * 3 + 63) / 64 * 64 + 64;
    uint8_t *rows = av_malloc((size_t)stride * (size_t)f->height + 64);
    if (!rows)
        die_status(STATUS_MEMORY, "out of memory");
    bool ok = convert(v, (uint8_t *const[4]){rows}, (const int[4]){stride}, AV_PIX_FMT_RGB24, err);
    for (int y = 0; ok && y < f->height; y++)
        memcpy(out->rgb + (size_t)y * (size_t)f->width * 3, rows + (size_t)y * (size_t)stride, (size_t)f->width * 3);
    av_free(rows);
    if (ok)
        image_orient(out, video_orientation(v));
    else
        image_release(out);
    return ok;
}

static void describe(const Video *v, VideoFrame *out, int64_t pts, VideoStamp stamp, int64_t packet)
{
    const AVFrame *f = v->frame;
    AVRational sar = av_guess_sample_aspect_ratio(v->format, v->stream, v->frame), tb = v->stream->time_base;
    int64_t width = f->width;
    if (sar.num > 0 && sar.den > 0)
        width = av_rescale_rnd(f->width, sar.num, sar.den, AV_ROUND_NEAR_INF);
    if (width < 1 || width > IMAGE_MAX_SIDE || width * f->height > v->choice.max_pixels)
        width = f->width;
    const int orientation = video_orientation(v);
    bool turned = orientation >= 5;
    *out = (VideoFrame){.pts = pts,
                        .stamp = stamp,
                        .time_base = {tb.num, tb.den},
                        .time = (double)pts * tb.num / tb.den,
                        .pict_type = av_get_picture_type_char(f->pict_type),
                        .stream = v->stream->index,
                        .width = turned ? f->height : (int)width,
                        .height = turned ? (int)width : f->height,
                        .stored_width = f->width,
                        .stored_height = f->height,
                        .orientation = orientation,
                        .full_range = frame_full_range(f),
                        .packet = packet};
}

void video_describe_key(Video *v, VideoFrame *out)
{
    int64_t pts = v->frame->pts != AV_NOPTS_VALUE ? v->frame->pts : v->packet->pts;
    if (pts != AV_NOPTS_VALUE)
        describe(v, out, pts, STAMP_PTS, v->packet->pos);
    else if (v->packet->dts != AV_NOPTS_VALUE)
        describe(v, out, v->packet->dts, STAMP_DTS, v->packet->pos);
    else
        describe(v, out, 0, STAMP_NONE, v->packet->pos);
}

/* Without pts FFmpeg takes the decoding time of the packet that pushed the frame out, which is when it is shown; the last ones
 * have none, for they are pushed out by the end. */
void video_describe_decoded(Video *v, VideoFrame *out)
{
    const AVFrame *f = v->frame;
    AVRational rate = av_guess_frame_rate(v->format, v->stream, v->frame);
    if (f->pts != AV_NOPTS_VALUE)
        describe(v, out, f->pts, STAMP_PTS, f->pkt_pos);
    else if (f->best_effort_timestamp != AV_NOPTS_VALUE)
        describe(v, out, f->best_effort_timestamp, STAMP_DTS, f->pkt_pos);
    else
        describe(v, out, v->next_pts, STAMP_COUNT, f->pkt_pos);
    v->next_pts = out->pts + (rate.num > 0 ? av_rescale_q(1, av_inv_q(rate), v->stream->time_base) : 1);
}

/* The frame's luma, 8 bits, without padding, into v->luma. */
static bool take_luma(Video *v)
{
    const AVFrame *f = v->frame;
    size_t width = (size_t)f->width, height = (size_t)f->height, size = width * height;
    if (size != v->luma_size) {
        free(v->luma);
        free(v->luma_before);
        v->luma = xmalloc(size + 64);
        v->luma_before = NULL;
        v->luma_size = size;
    }
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get(f->format);
    if (d->comp[0].depth == 8 && d->comp[0].step == 1 && !(d->flags & (AV_PIX_FMT_FLAG_RGB | AV_PIX_FMT_FLAG_PAL))) {
        for (size_t y = 0; y < height; y++)
            memcpy(v->luma + y * width, f->data[0] + (ptrdiff_t)y * f->linesize[0], width);
        return true;
    }
    Error err = {0};
    Image im;
    if (!video_image(v, &im, &err))
        return false;
    for (size_t i = 0; i < size; i++)
        v->luma[i] = (uint8_t)((77 * im.rgb[3 * i] + 150 * im.rgb[3 * i + 1] + 29 * im.rgb[3 * i + 2]) >> 8);
    image_release(&im);
    return true;
}

/* As FFmpeg's select filter: the lesser of the mean difference and its own change, in percent of grey levels. */
double video_change(Video *v)
{
    if (!take_luma(v))
        return 0;
    double score = 1;
    if (v->luma_before) {
        uint64_t sum = 0;
        for (size_t i = 0; i < v->luma_size; i++)
            sum += (uint64_t)abs(v->luma[i] - v->luma_before[i]);
        double mean = (double)sum / (double)v->luma_size, change = fabs(mean - v->last_change);
        score = (mean < change ? mean : change) / 100;
        v->last_change = mean;
    }
    uint8_t *kept = v->luma_before;
    v->luma_before = v->luma;
    v->luma = kept ? kept : xmalloc(v->luma_size + 64);
    return score > 1 ? 1 : score;
}
