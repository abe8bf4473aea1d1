/* What image.c shares with its codecs; no other file needs it. */
#ifndef MEDIA_IMAGE_CODECS_H
#define MEDIA_IMAGE_CODECS_H

#include "media/image.h"

/* For those that look at headers only: the sides alone are bounded. */
extern const ImageLimits image_any_size;

/* Whether an image of that size may be decoded at all. */
bool image_size_sane(int64_t width, int64_t height, const ImageLimits *limits, Error *err);

/* What to say when the time is up; NULL while it is not. */
const char *image_time_is_up(const ImageLimits *limits);

/* n pixels from RGBA, on white; whether any was not opaque. */
bool image_lay_on_white(uint8_t *rgb, const uint8_t *rgba, size_t n);

/* Of one format each: orientation is reported, not applied. *blended: transparency was laid on white. */
bool jpeg_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err);
bool jpeg_decode(Image *im, int *orientation, const uint8_t *data, size_t size, const ImageLimits *limits, Error *err);
bool png_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err);
bool png_decode(Image *im, int *orientation, bool *blended, const uint8_t *data, size_t size, const ImageLimits *limits,
                Error *err);
bool webp_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err);
bool webp_decode(Image *im, int *orientation, bool *blended, const uint8_t *data, size_t size, const ImageLimits *limits,
                 Error *err);

#endif
