/*
 * Whether the last packet of a stream without a container is all there. Nothing says how long it should be, and a decoder of
 * arithmetic codes goes on over what is not there without a word. So the packet is decoded again with other bytes behind it: a
 * whole one gives the same picture.
 */
#include <libavutil/imgutils.h>
#include <libavutil/pixdesc.h>
#include <string.h>

#include "media/video_struct.h"

enum { BEHIND = 256, FILLER = 0xa5 }; /* no start code */

static bool same_plane(const AVFrame *a, const AVFrame *b, int plane, int rows)
{
    int bytes = av_image_get_linesize((enum AVPixelFormat)a->format, a->width, plane);
    for (int y = 0; y < rows; y++)
        if (memcmp(a->data[plane] + (ptrdiff_t)y * a->linesize[plane], b->data[plane] + (ptrdiff_t)y * b->linesize[plane],
                   (size_t)bytes) != 0)
            return false;
    return true;
}

static bool same_picture(const AVFrame *a, const AVFrame *b)
{
    const AVPixFmtDescriptor *d = av_pix_fmt_desc_get((enum AVPixelFormat)a->format);
    if (a->format != b->format || a->width != b->width || a->height != b->height || !d)
        return false;
    bool same = true;
    for (int plane = 0; same && plane < av_pix_fmt_count_planes((enum AVPixelFormat)a->format); plane++)
        same = same_plane(a, b, plane, plane == 1 || plane == 2 ? AV_CEIL_RSHIFT(a->height, d->log2_chroma_h) : a->height);
    return same;
}

bool video_reads_on(Video *v)
{
    const AVPacket *p = v->packet;
    AVPacket *longer = av_packet_alloc();
    AVFrame *other = av_frame_alloc();
    bool same = false;
    if (longer && other && av_new_packet(longer, p->size + BEHIND) == 0) {
        memcpy(longer->data, p->data, (size_t)p->size);
        memset(longer->data + p->size, FILLER, BEHIND);
        same = video_decode_one(v, longer, other) >= 0 && same_picture(v->frame, other);
    }
    av_packet_free(&longer);
    av_frame_free(&other);
    return !same;
}
