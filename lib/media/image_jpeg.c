/* JPEG through libjpeg-turbo, with its accurate transforms and smooth chroma, as Pillow uses it. */
#include <stdlib.h>
#include <string.h>
#include <turbojpeg.h>

#include "media/exif.h"
#include "media/image_codecs.h"

static bool jpeg_header(tjhandle tj, int *width, int *height, int *space, const uint8_t *data, size_t size, Error *err)
{
    int subsampling;
    if (tjDecompressHeader3(tj, data, size, width, height, &subsampling, space) != 0 && tjGetErrorCode(tj) != TJERR_WARNING)
        return error_set(err, "JPEG: %s", tjGetErrorStr2(tj));
    return image_size_sane(*width, *height, err);
}

bool jpeg_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err)
{
    tjhandle tj = tjInitDecompress();
    int space;
    bool ok =
        tj ? jpeg_header(tj, &info->width, &info->height, &space, data, size, err) : error_set(err, "JPEG: %s", tjGetErrorStr());
    if (tj)
        tjDestroy(tj);
    info->orientation = jpeg_orientation(data, size);
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

/* libjpeg's warnings that leave the picture whole. */
static bool warning_is_harmless(const char *text)
{
    return strstr(text, "extraneous bytes") || strstr(text, "Adobe") || strstr(text, "JFIF") || strstr(text, "SOS parameters");
}

static bool jpeg_pixels(tjhandle tj, uint8_t *out, int width, int height, int format, const uint8_t *data, size_t size,
                        Error *err)
{
    if (tjDecompress2(tj, data, size, out, width, width * tjPixelSize[format], height, format, 0) == 0)
        return true;
    if (tjGetErrorCode(tj) == TJERR_WARNING && warning_is_harmless(tjGetErrorStr2(tj)))
        return true;
    return error_set(err, "JPEG: %s", tjGetErrorStr2(tj));
}

bool jpeg_decode(Image *im, int *orientation, const uint8_t *data, size_t size, Error *err)
{
    tjhandle tj = tjInitDecompress();
    if (!tj)
        return error_set(err, "JPEG: %s", tjGetErrorStr());
    int width, height, space;
    bool ok = jpeg_header(tj, &width, &height, &space, data, size, err);
    if (ok) {
        image_init(im, width, height);
        bool cmyk = space == TJCS_CMYK || space == TJCS_YCCK;
        uint8_t *four = cmyk ? xmalloc((size_t)width * (size_t)height * 4) : NULL;
        ok = jpeg_pixels(tj, cmyk ? four : im->rgb, width, height, cmyk ? TJPF_CMYK : TJPF_RGB, data, size, err);
        if (ok && cmyk)
            cmyk_to_rgb(im->rgb, four, (size_t)width * (size_t)height);
        free(four);
    }
    tjDestroy(tj);
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
