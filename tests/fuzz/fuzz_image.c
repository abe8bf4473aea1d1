/*
 * Any bytes as a JPEG, PNG or WebP: an error, or all the pixels that its header promises.
 *
 * About: lib/media/image.c lib/media/image_jpeg.c lib/media/image_png.c lib/media/image_webp.c lib/media/exif.c
 */
#include <stdlib.h>

#include "media/image.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PIXELS_MAX = 1 << 16 };

/* Reads every pixel, for the address sanitizer to see. */
static void look(const Image *im, const ImageInfo *info)
{
    volatile unsigned sum = 0;
    bool turned = info->orientation >= 5;
    if (im->width != (turned ? info->height : info->width) || im->height != (turned ? info->width : info->height))
        abort();
    for (size_t i = 0; i < (size_t)im->width * (size_t)im->height * 3; i++)
        sum = sum + im->rgb[i];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Error err = {0};
    ImageInfo info;
    Image im;
    Buffer upright = {0};
    bool changed;
    if (!image_info(&info, data, size, &err)) {
        if (!err.text[0])
            abort();
        return 0;
    }
    const ImageLimits limits = {.pixels = PIXELS_MAX};
    if (image_decode_within(&im, &changed, data, size, &limits, &err)) {
        look(&im, &info);
        if (info.format == IMAGE_JPEG && info.orientation > 1 && jpeg_orient(&upright, data, size, info.orientation) &&
            image_format(upright.data, upright.size) != IMAGE_JPEG)
            abort();
    } else if (!err.text[0] || im.rgb)
        abort();
    image_release(&im);
    buffer_release(&upright);
    return 0;
}
