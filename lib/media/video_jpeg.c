/*
 * A frame's planes straight to JPEG: 8-bit 4:2:0 needs no detour through RGB, for JPEG is 4:2:0 itself. Between two Y'CbCr spaces
 * grey stays grey, so the chroma planes are mapped by a 2 x 2 matrix at their own size and luma gets a small part of them. JPEG
 * is BT.601 in full range (JFIF) with chroma in the middle of its four pixels; MPEG's lies at the left pair, so it is moved by a
 * quarter sample.
 */
#include <math.h>
#include <stdlib.h>
#include <turbojpeg.h>

#include "media/video_struct.h"

/* y = a*(Y - black) + b*U + c*V; u = d*U + e*V, v = f*U + g*V with U and V centred on 0. */
typedef struct ToJpeg {
    int black;
    double a, b, c, d, e, f, g;
} ToJpeg;

static ToJpeg to_jpeg(int space, bool full)
{
    double kr = 0.299, kb = 0.114;
    if (space == SWS_CS_ITU709) {
        kr = 0.2126;
        kb = 0.0722;
    } else if (space == SWS_CS_BT2020) {
        kr = 0.2627;
        kb = 0.0593;
    }
    double kg = 1 - kr - kb, y = full ? 1 : 255.0 / 219, chroma = full ? 1 : 255.0 / 224;
    /* R = Y + rv V, G = Y + gu U + gv V, B = Y + bu U, with all of them in full range (ITU-R BT.601, BT.709, BT.2020) */
    double rv = 2 * (1 - kr), bu = 2 * (1 - kb), gu = -bu * kb / kg, gv = -rv * kr / kg;
    double b = 0.587 * gu + 0.114 * bu, c = 0.299 * rv + 0.587 * gv;
    return (ToJpeg){full ? 0 : 16,
                    y,
                    b * chroma,
                    c * chroma,
                    (bu - b) / 1.772 * chroma,
                    -c / 1.772 * chroma,
                    -b / 1.402 * chroma,
                    (rv - c) / 1.402 * chroma};
}

static uint8_t clip(int v)
{
    return (uint8_t)(v < 0 ? 0 : v > 255 ? 255 : v);
}

static int fixed(double x)
{
    return (int)lrint(x * 65536);
}

/* Both chroma planes, [h, w] each, from strided ones. */
static void map_chroma(uint8_t *restrict u, uint8_t *restrict v, const AVFrame *f, const ToJpeg *m, int w, int h)
{
    const int d = fixed(m->d), e = fixed(m->e), f2 = fixed(m->f), g = fixed(m->g), half = (128 << 16) + (1 << 15);
    for (int y = 0; y < h; y++, u += w, v += w) {
        const uint8_t *restrict cb = f->data[1] + (ptrdiff_t)y * f->linesize[1], *restrict cr =
                                                                                     f->data[2] + (ptrdiff_t)y * f->linesize[2];
        for (int x = 0; x < w; x++) {
            u[x] = clip((d * (cb[x] - 128) + e * (cr[x] - 128) + half) >> 16);
            v[x] = clip((f2 * (cb[x] - 128) + g * (cr[x] - 128) + half) >> 16);
        }
    }
}

/* Luma of a space whose grey axis is JPEG's own: a table. */
static void map_luma(uint8_t *out, const AVFrame *f, const ToJpeg *m)
{
    uint8_t table[256];
    for (int i = 0; i < 256; i++)
        table[i] = clip((int)lrint(m->a * (i - m->black)));
    for (int y = 0; y < f->height; y++, out += f->width) {
        const uint8_t *in = f->data[0] + (ptrdiff_t)y * f->linesize[0];
        for (int x = 0; x < f->width; x++)
            out[x] = table[in[x]];
    }
}

/* Luma that takes a part of the chroma: what chroma adds is worked out at its own size and interpolated. */
static void map_luma_and_chroma(uint8_t *out, const AVFrame *f, const ToJpeg *m, int w, int h)
{
    const int a = fixed(m->a), b = fixed(m->b), c = fixed(m->c);
    int *part[2] = {xmalloc(((size_t)w + 1) * sizeof(int)), xmalloc(((size_t)w + 1) * sizeof(int))},
        *row = xmalloc(((size_t)w + 1) * sizeof *row);
    for (int y = 0; y < f->height; y++, out += f->width) {
        int near = y / 2, far = y & 1 ? near + 1 : near - 1;
        far = far < 0 ? 0 : far > h - 1 ? h - 1 : far;
        for (int k = 0; k < 2; k++) {
            const uint8_t *u = f->data[1] + (ptrdiff_t)(k ? far : near) * f->linesize[1];
            const uint8_t *v = f->data[2] + (ptrdiff_t)(k ? far : near) * f->linesize[2];
            for (int x = 0; x < w; x++)
                part[k][x] = b * (u[x] - 128) + c * (v[x] - 128);
        }
        for (int x = 0; x < w; x++)
            row[x] = (3 * part[0][x] + part[1][x]) / 4;
        row[w] = row[w - 1];
        const uint8_t *in = f->data[0] + (ptrdiff_t)y * f->linesize[0];
        for (int x = 0; x < f->width; x++) {
            int i = x / 2, j = x & 1 ? i + 1 : i > 0 ? i - 1 : 0;
            int add = (3 * row[i] + row[j]) / 4;
            out[x] = clip((a * (in[x] - m->black) + add + (1 << 15)) >> 16);
        }
    }
    free(part[0]);
    free(part[1]);
    free(row);
}

static bool is_direct(Video *v)
{
    const AVFrame *f = v->frame;
    int space = frame_colorspace(f);
    AVRational sar = av_guess_sample_aspect_ratio(v->format, v->stream, v->frame);
    return (f->format == AV_PIX_FMT_YUV420P || f->format == AV_PIX_FMT_YUVJ420P) && video_orientation(v) == 1 &&
           (sar.num <= 0 || sar.den <= 0 || sar.num == sar.den) &&
           (space == SWS_CS_ITU601 || space == SWS_CS_ITU709 || space == SWS_CS_BT2020) && f->colorspace != AVCOL_SPC_BT2020_CL &&
           !frame_is_hdr(f) && f->width <= IMAGE_MAX_SIDE && f->height <= IMAGE_MAX_SIDE &&
           (int64_t)f->width * f->height <= v->choice.max_pixels;
}

bool video_jpeg(Video *v, Buffer *out, int quality)
{
    if (!is_direct(v))
        return false;
    const AVFrame *f = v->frame;
    int space = frame_colorspace(f), w = (f->width + 1) / 2, h = (f->height + 1) / 2;
    ToJpeg m = to_jpeg(space, frame_full_range(f));
    size_t luma = (size_t)f->width * (size_t)f->height, chroma = (size_t)w * (size_t)h;
    uint8_t *planes = xmalloc(luma + 2 * chroma);
    map_chroma(planes + luma, planes + luma + chroma, f, &m, w, h);
    if (space == SWS_CS_ITU601)
        map_luma(planes, f, &m);
    else
        map_luma_and_chroma(planes, f, &m, w, h);
    tjhandle tj = tjInitCompress();
    unsigned long size = tjBufSize(f->width, f->height, TJSAMP_420);
    out->data = array_reserve(out->data, &out->capacity, size, 1);
    bool ok = tj && tjCompressFromYUVPlanes(tj, (const unsigned char *[]){planes, planes + luma, planes + luma + chroma},
                                            f->width, (int[]){f->width, w, w}, f->height, TJSAMP_420, &out->data, &size, quality,
                                            TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT) == 0;
    out->size = ok ? size : 0;
    if (tj)
        tjDestroy(tj);
    free(planes);
    return ok;
}
