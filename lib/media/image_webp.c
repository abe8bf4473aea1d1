/* WebP through libwebp; of an animation, its first picture. */
#include <stdlib.h>
#include <string.h>
#include <webp/decode.h>
#include <webp/demux.h>

#include "media/exif.h"
#include "media/image_codecs.h"

static int webp_orientation(const uint8_t *data, size_t size)
{
    WebPData whole = {data, size};
    WebPDemuxer *demux = WebPDemux(&whole);
    WebPChunkIterator chunk;
    int orientation = 1;
    if (demux && WebPDemuxGetChunk(demux, "EXIF", 1, &chunk)) {
        orientation = exif_orientation(chunk.chunk.bytes, chunk.chunk.size);
        WebPDemuxReleaseChunkIterator(&chunk);
    }
    WebPDemuxDelete(demux);
    return orientation;
}

static bool webp_features(WebPBitstreamFeatures *f, const uint8_t *data, size_t size, const ImageLimits *limits, Error *err)
{
    VP8StatusCode code = WebPGetFeatures(data, size, f);
    if (code == VP8_STATUS_NOT_ENOUGH_DATA)
        return error_set(err, "WebP: the file ends too early");
    if (code != VP8_STATUS_OK)
        return error_set(err, "WebP: damaged header");
    return image_size_sane(f->width, f->height, limits, err);
}

bool webp_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err)
{
    WebPBitstreamFeatures f;
    if (!webp_features(&f, data, size, &image_any_size, err))
        return false;
    info->width = f.width;
    info->height = f.height;
    info->alpha = f.has_alpha != 0;
    info->orientation = webp_orientation(data, size);
    return true;
}

static bool animation_first(uint8_t *rgba, const uint8_t *data, size_t size)
{
    WebPData whole = {data, size};
    WebPAnimDecoderOptions options;
    WebPAnimDecoderOptionsInit(&options);
    WebPAnimDecoder *decoder = WebPAnimDecoderNew(&whole, &options);
    WebPAnimInfo info;
    uint8_t *picture;
    int time;
    bool ok = decoder && WebPAnimDecoderGetInfo(decoder, &info) && WebPAnimDecoderGetNext(decoder, &picture, &time);
    if (ok)
        memcpy(rgba, picture, (size_t)info.canvas_width * info.canvas_height * 4);
    WebPAnimDecoderDelete(decoder);
    return ok;
}

/* A picture without animation, its bytes fed little by little so that the time can be looked at. */
static bool still_pixels(uint8_t *rgba, const WebPBitstreamFeatures *f, const uint8_t *data, size_t size,
                         const ImageLimits *limits, Error *err)
{
    static const size_t step = 1 << 16;
    size_t stride = (size_t)f->width * 4, fed = 0;
    WebPIDecoder *decoder = WebPINewRGB(MODE_RGBA, rgba, stride * (size_t)f->height, (int)stride);
    if (!decoder)
        return error_set(err, "WebP: cannot start libwebp");
    VP8StatusCode code = VP8_STATUS_SUSPENDED;
    const char *late = NULL;
    while (code == VP8_STATUS_SUSPENDED && fed < size && !(late = image_time_is_up(limits))) {
        fed = size - fed < step ? size : fed + step;
        code = WebPIUpdate(decoder, data, fed);
    }
    WebPIDelete(decoder);
    return code == VP8_STATUS_OK || (late && error_set(err, "WebP: %s", late));
}

bool webp_decode(Image *im, int *orientation, bool *blended, const uint8_t *data, size_t size, const ImageLimits *limits,
                 Error *err)
{
    WebPBitstreamFeatures f;
    if (!webp_features(&f, data, size, limits, err))
        return false;
    size_t pixels = (size_t)f.width * (size_t)f.height;
    uint8_t *rgba = xmalloc(pixels * 4);
    bool ok = f.has_animation ? animation_first(rgba, data, size) : still_pixels(rgba, &f, data, size, limits, err);
    if (ok) {
        image_init(im, f.width, f.height);
        *blended = image_lay_on_white(im->rgb, rgba, pixels);
        *orientation = webp_orientation(data, size);
    } else {
        error_set(err, "WebP: damaged or cut picture data (%zu bytes)", size);
    }
    free(rgba);
    return ok;
}
