/* What image.c shares with its codecs; no other file needs it. */
#ifndef MEDIA_IMAGE_CODECS_H
#define MEDIA_IMAGE_CODECS_H

#include "media/image.h"

/* Whether an image of that size may be decoded at all. */
bool image_size_sane(int64_t width, int64_t height, Error *err);

/* im's pixels from RGBA of the same size, on white; whether any pixel was not opaque. */
bool image_lay_on_white(Image *im, const uint8_t *rgba);

/* Of one format each: orientation is reported, not applied. *blended: transparency was laid on white. */
bool jpeg_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err);
bool jpeg_decode(Image *im, int *orientation, const uint8_t *data, size_t size, Error *err);
bool png_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err);
bool png_decode(Image *im, int *orientation, bool *blended, const uint8_t *data, size_t size, Error *err);
bool webp_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err);
bool webp_decode(Image *im, int *orientation, bool *blended, const uint8_t *data, size_t size, Error *err);

#endif
