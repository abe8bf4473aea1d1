/* Images: memory, orientation, and which codec a file belongs to; the codecs are image_jpeg.c, image_png.c, image_webp.c. */
#include "media/image.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "media/image_codecs.h"

void buffer_release(Buffer *b)
{
    free(b->data);
    *b = (Buffer){0};
}

void buffer_add(Buffer *b, const void *data, size_t size)
{
    b->data = array_reserve(b->data, &b->capacity, b->size + size, 1);
    if (size > 0)
        memcpy(b->data + b->size, data, size);
    b->size += size;
}

void buffer_set(Buffer *b, const void *data, size_t size)
{
    b->size = 0;
    buffer_add(b, data, size);
}

void image_init(Image *im, int width, int height)
{
    *im = (Image){width, height, xmalloc((size_t)width * (size_t)height * 3)};
}

void image_release(Image *im)
{
    free(im->rgb);
    *im = (Image){0};
}

bool image_size_sane(int64_t width, int64_t height, const ImageLimits *limits, Error *err)
{
    if (width < 1 || height < 1 || width > IMAGE_MAX_SIDE || height > IMAGE_MAX_SIDE || width * height > limits->pixels)
        return error_set(err, "image of %lld x %lld pixels, expected 1 to %d a side and at most %lld in all", (long long)width,
                         (long long)height, IMAGE_MAX_SIDE, (long long)limits->pixels);
    return true;
}

const char *image_time_is_up(const ImageLimits *limits)
{
    return limits->until > 0 && seconds_now() > limits->until ? "the time is up" : NULL;
}

const ImageLimits image_any_size = {.pixels = INT64_MAX};
static const ImageLimits widest = {.pixels = IMAGE_MAX_PIXELS};

ImageFormat image_format(const void *data, size_t size)
{
    const uint8_t *d = data;
    if (size >= 3 && d[0] == 0xff && d[1] == 0xd8 && d[2] == 0xff)
        return IMAGE_JPEG;
    if (size >= 8 && memcmp(d, "\x89PNG\r\n\x1a\n", 8) == 0)
        return IMAGE_PNG;
    if (size >= 12 && memcmp(d, "RIFF", 4) == 0 && memcmp(d + 8, "WEBP", 4) == 0)
        return IMAGE_WEBP;
    return IMAGE_UNKNOWN;
}

static const char *const names[] = {"unknown", "jpeg", "png", "webp", "rgb"};

const char *image_format_name(ImageFormat format)
{
    return names[format];
}

ImageFormat image_format_find(const char *name, size_t n)
{
    for (ImageFormat f = IMAGE_JPEG; f <= IMAGE_RGB; f++)
        if (strlen(names[f]) == n && memcmp(names[f], name, n) == 0)
            return f;
    return IMAGE_UNKNOWN;
}

bool image_info(ImageInfo *info, const void *data, size_t size, Error *err)
{
    *info = (ImageInfo){.format = image_format(data, size), .orientation = 1};
    switch (info->format) {
    case IMAGE_JPEG:
        return jpeg_probe(info, data, size, err);
    case IMAGE_PNG:
        return png_probe(info, data, size, err);
    case IMAGE_WEBP:
        return webp_probe(info, data, size, err);
    default:
        return error_set(err, "neither JPEG, PNG nor WebP (%zu bytes)", size);
    }
}

bool image_decode(Image *im, bool *changed, const void *data, size_t size, Error *err)
{
    return image_decode_within(im, changed, data, size, &widest, err);
}

bool image_decode_within(Image *im, bool *changed, const void *data, size_t size, const ImageLimits *limits, Error *err)
{
    int orientation = 1;
    bool blended = false, ok;
    *im = (Image){0};
    switch (image_format(data, size)) {
    case IMAGE_JPEG:
        ok = jpeg_decode(im, &orientation, data, size, limits, err);
        break;
    case IMAGE_PNG:
        ok = png_decode(im, &orientation, &blended, data, size, limits, err);
        break;
    case IMAGE_WEBP:
        ok = webp_decode(im, &orientation, &blended, data, size, limits, err);
        break;
    default:
        ok = error_set(err, "neither JPEG, PNG nor WebP (%zu bytes)", size);
    }
    if (!ok) {
        image_release(im);
        return false;
    }
    image_orient(im, orientation);
    if (changed)
        *changed = blended || orientation != 1;
    return true;
}

bool image_decode_as(Image *im, ImageFormat encoding, int width, int height, const void *data, size_t size, Error *err)
{
    *im = (Image){0};
    if (encoding != IMAGE_RGB)
        return image_decode(im, NULL, data, size, err);
    if (!image_size_sane(width, height, &widest, err))
        return false;
    if (size != (size_t)width * (size_t)height * 3)
        return error_set(err, "%zu bytes of rgb, expected %d x %d x 3", size, width, height);
    image_init(im, width, height);
    memcpy(im->rgb, data, size);
    return true;
}

/* As Pillow's paste with a mask: exact division by 255. Reports whether any pixel was not opaque. */
bool image_lay_on_white(uint8_t *rgb, const uint8_t *rgba, size_t n)
{
    uint8_t clear = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned a = rgba[i * 4 + 3];
        clear |= (uint8_t)(255 - a);
        for (size_t c = 0; c < 3; c++) {
            unsigned t = rgba[i * 4 + c] * a + 255 * (255 - a) + 128;
            rgb[i * 3 + c] = (uint8_t)((t + (t >> 8)) >> 8);
        }
    }
    return clear != 0;
}

/* Where the pixel that ends up at (x, y) of the upright image was stored. */
static size_t stored_place(int orientation, int x, int y, int width, int height)
{
    bool swap = orientation >= 5;
    int sx = swap ? y : x, sy = swap ? x : y;
    if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
        sx = width - 1 - sx;
    if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
        sy = height - 1 - sy;
    return (size_t)sy * (size_t)width + (size_t)sx;
}

void image_orient(Image *im, int orientation)
{
    if (orientation <= 1 || orientation > 8)
        return;
    Image out;
    image_init(&out, orientation >= 5 ? im->height : im->width, orientation >= 5 ? im->width : im->height);
    uint8_t *to = out.rgb;
    for (int y = 0; y < out.height; y++)
        for (int x = 0; x < out.width; x++, to += 3)
            memcpy(to, im->rgb + stored_place(orientation, x, y, im->width, im->height) * 3, 3);
    image_release(im);
    *im = out;
}
