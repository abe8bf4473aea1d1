/*
 * Resizing as Pillow's Image.resize((w, h), BICUBIC, LANCZOS or BILINEAR) does it on 8-bit RGB, equal to the last bit: cubic
 * convolution (a = -0.5), a sinc windowed by a sinc over three lobes, or a triangle; antialiased when shrinking, horizontal pass
 * first (Pillow up to 12.1: every published score was made so), 8-bit rounding after each pass.
 * https://github.com/python-pillow/Pillow/blob/12.1.0/src/libImaging/Resample.c
 */
#ifndef MEDIA_RESIZE_H
#define MEDIA_RESIZE_H

#include "media/image.h"

typedef enum ResizeFilter { RESIZE_BICUBIC, RESIZE_LANCZOS, RESIZE_BILINEAR } ResizeFilter;

/* out (whatever it held is not freed) becomes `in` at width x height; the caller releases it. width, height >= 1. */
void image_resize_by(Image *out, const Image *in, int width, int height, ResizeFilter filter);
/* The same, bicubic. */
void image_resize(Image *out, const Image *in, int width, int height);

#endif
