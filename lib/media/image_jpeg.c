/* JPEG through libjpeg-turbo: read with its accurate transforms and smooth chroma, as Pillow does; written and turned by
 * TurboJPEG. */
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
#include <turbojpeg.h>

#include "media/exif.h"
#include "media/image_codecs.h"

enum { SCANS_MAX = 500 }; /* a progressive picture of thousands takes hours; libjpeg-turbo draws the line here as well */

/* One read: everything that must survive a longjmp out of libjpeg. */
typedef struct JpegRead {
    struct jpeg_decompress_struct c;
    struct jpeg_error_mgr errors;
    struct jpeg_progress_mgr progress;
    jmp_buf jump;
    uint8_t *row; /* owned: of CMYK */
    const ImageLimits *limits;
    Error *err;
    bool header_only;
} JpegRead;

static _Noreturn void jpeg_give_up(JpegRead *r, const char *text)
{
    error_set(r->err, "JPEG: %s", text);
    longjmp(r->jump, 1);
}

static _Noreturn void on_error(j_common_ptr c)
{
    char text[JMSG_LENGTH_MAX];
    c->err->format_message(c, text);
    jpeg_give_up(c->client_data, text);
}

/* Warnings that leave the picture whole. */
static bool warning_is_harmless(const char *text)
{
    return strstr(text, "extraneous bytes") || strstr(text, "Adobe") || strstr(text, "JFIF") || strstr(text, "SOS parameters");
}

/* Any other is the end: a picture that is half grey is not a picture. */
static void on_message(j_common_ptr c, int level)
{
    char text[JMSG_LENGTH_MAX];
    JpegRead *r = c->client_data;
    if (level >= 0 || r->header_only)
        return;
    c->err->format_message(c, text);
    if (!warning_is_harmless(text))
        jpeg_give_up(r, text);
}

static void on_progress(j_common_ptr c)
{
    JpegRead *r = c->client_data;
    const char *late = image_time_is_up(r->limits);
    if (late)
        jpeg_give_up(r, late);
    if (r->c.input_scan_number > SCANS_MAX)
        jpeg_give_up(r, "more than 500 scans");
}

static void jpeg_begin(JpegRead *r, const uint8_t *data, size_t size)
{
    r->c.err = jpeg_std_error(&r->errors);
    r->errors.error_exit = on_error;
    r->errors.emit_message = on_message;
    r->c.client_data = r; /* jpeg_create_decompress keeps it */
    jpeg_create_decompress(&r->c);
    r->progress.progress_monitor = on_progress;
    r->c.progress = &r->progress;
    jpeg_mem_src(&r->c, data, size);
    jpeg_read_header(&r->c, TRUE);
}

static void jpeg_finish(JpegRead *r)
{
    jpeg_destroy_decompress(&r->c);
    free(r->row);
}

static bool read_header(JpegRead *r, const uint8_t *data, size_t size)
{
    if (setjmp(r->jump))
        return false;
    jpeg_begin(r, data, size);
    return image_size_sane(r->c.image_width, r->c.image_height, r->limits, r->err);
}

bool jpeg_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err)
{
    JpegRead r = {.limits = &image_any_size, .err = err, .header_only = true};
    bool ok = read_header(&r, data, size);
    info->width = (int)r.c.image_width;
    info->height = (int)r.c.image_height;
    info->orientation = jpeg_orientation(data, size);
    jpeg_finish(&r);
    return ok;
}

/* Inverted CMYK, which is what every JPEG of that kind holds, to RGB as Pillow's convert does. */
static void cmyk_to_rgb(uint8_t *rgb, const uint8_t *cmyk, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned white = cmyk[i * 4 + 3];
        for (size_t c = 0; c < 3; c++) {
            unsigned t = (255u - cmyk[i * 4 + c]) * white + 128;
            rgb[i * 3 + c] = (uint8_t)(white - (((t >> 8) + t) >> 8));
        }
    }
}

static void read_rows(JpegRead *r, Image *im)
{
    size_t width = (size_t)im->width;
    bool cmyk = r->c.jpeg_color_space == JCS_CMYK || r->c.jpeg_color_space == JCS_YCCK;
    r->c.out_color_space = cmyk ? JCS_CMYK : JCS_RGB;
    r->row = cmyk ? xmalloc(width * 4) : NULL;
    jpeg_start_decompress(&r->c);
    while (r->c.output_scanline < r->c.output_height) {
        uint8_t *rgb = im->rgb + r->c.output_scanline * width * 3, *row = cmyk ? r->row : rgb;
        if (jpeg_read_scanlines(&r->c, &row, 1) == 1 && cmyk)
            cmyk_to_rgb(rgb, row, width);
    }
    jpeg_finish_decompress(&r->c);
}

static bool read_pixels(JpegRead *r, Image *im)
{
    image_init(im, (int)r->c.image_width, (int)r->c.image_height);
    if (setjmp(r->jump))
        return false;
    read_rows(r, im);
    return true;
}

bool jpeg_decode(Image *im, int *orientation, const uint8_t *data, size_t size, const ImageLimits *limits, Error *err)
{
    JpegRead r = {.limits = limits, .err = err};
    bool ok = read_header(&r, data, size) && read_pixels(&r, im);
    jpeg_finish(&r);
    *orientation = jpeg_orientation(data, size);
    return ok;
}

bool image_encode_jpeg(Buffer *out, const Image *im, int quality, Error *err)
{
    tjhandle tj = tjInitCompress();
    if (!tj)
        return error_set(err, "JPEG: %s", tjGetErrorStr());
    unsigned long size = tjBufSize(im->width, im->height, TJSAMP_420);
    out->data = array_reserve(out->data, &out->capacity, size, 1);
    int rc = tjCompress2(tj, im->rgb, im->width, 0, im->height, TJPF_RGB, &out->data, &size, TJSAMP_420, quality,
                         TJFLAG_NOREALLOC | TJFLAG_ACCURATEDCT);
    out->size = rc == 0 ? size : 0;
    if (rc != 0)
        error_set(err, "JPEG: %s", tjGetErrorStr2(tj));
    tjDestroy(tj);
    return rc == 0;
}

bool jpeg_orient(Buffer *out, const void *data, size_t size, int orientation)
{
    static const int op[9] = {TJXOP_NONE,      TJXOP_NONE,  TJXOP_HFLIP,      TJXOP_ROT180, TJXOP_VFLIP,
                              TJXOP_TRANSPOSE, TJXOP_ROT90, TJXOP_TRANSVERSE, TJXOP_ROT270};
    tjhandle tj = tjInitTransform();
    if (!tj)
        return false;
    tjtransform transform = {.op = op[orientation], .options = TJXOPT_PERFECT | TJXOPT_COPYNONE};
    unsigned char *turned = NULL;
    unsigned long n = 0;
    bool ok = tjTransform(tj, data, size, 1, &turned, &n, &transform, 0) == 0;
    if (ok)
        buffer_set(out, turned, n);
    tjFree(turned);
    tjDestroy(tj);
    return ok;
}
