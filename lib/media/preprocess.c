/* A model's input; see preprocess.h. */
#include "media/preprocess.h"

#include <math.h>

const double PREPROCESS_MEAN[3] = {0.48145466, 0.4578275, 0.40821073}, PREPROCESS_STD[3] = {0.26862954, 0.26130258, 0.27577711};

/* The corner of a centre crop out of n: nearbyint rounds half to even. */
static int corner(int n, const Preprocess *p)
{
    return p->low ? (n - p->size) / 2 : (int)nearbyint((n - p->size) / 2.0);
}

/* The longer edge to so many pixels, as Idefics3's processor rounds: the shorter edge down, then up to even. */
static void resize_longest(Image *out, const Image *im, int longest, ResizeFilter filter)
{
    const double ratio = (double)im->width / im->height;
    int width = longest, height = longest;
    if (im->width >= im->height)
        height = (int)(longest / ratio);
    else
        width = (int)(longest * ratio);
    height += height < longest && height % 2;
    width += width < longest && width % 2;
    image_resize_by(out, im, width > 1 ? width : 1, height > 1 ? height : 1, filter);
}

/* The square of S x S pixels whose corner is (left, top): out [3, S, S]. */
static void normalise(float *out, const Image *im, int left, int top, const Preprocess *p)
{
    const int s = p->size;
    float value[3][256];
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            value[c][v] = ((float)(v * (1 / 255.0)) - (float)p->mean[c]) / (float)p->std[c];
    size_t plane = (size_t)s * (size_t)s;
    for (int y = 0; y < s; y++) {
        const uint8_t *row = im->rgb + ((size_t)(y + top) * (size_t)im->width + (size_t)left) * 3;
        for (int x = 0; x < s; x++, out++, row += 3)
            for (size_t c = 0; c < 3; c++)
                out[c * plane] = value[c][row[c]];
    }
}

void preprocess_resize(Image *out, const Image *im, const Preprocess *p)
{
    int width = p->size, height = p->size, shorter = im->width < im->height ? im->width : im->height;
    if (p->crop) {
        width = (int)((int64_t)p->size * im->width / shorter);
        height = (int)((int64_t)p->size * im->height / shorter);
    }
    Image first;
    const bool twice = p->longest > 0;
    if (twice)
        resize_longest(&first, im, p->longest, p->filter);
    image_resize_by(out, twice ? &first : im, width, height, p->filter);
    if (twice)
        image_release(&first);
}

void preprocess(float *out, const Image *im, const Preprocess *p)
{
    Image small;
    preprocess_resize(&small, im, p);
    normalise(out, &small, corner(small.width, p), corner(small.height, p), p);
    image_release(&small);
}

/* ---- tiles ---- */

/* How many tiles of s pixels cover n. */
static int tiles_over(int n, int s)
{
    return (n + s - 1) / s;
}

/* Both edges to whole tiles: of the longer one, and of what the other then is. */
static void resize_to_tiles(Image *out, const Image *im, const Preprocess *p)
{
    const int s = p->size;
    const double ratio = (double)im->width / im->height;
    int width, height;
    if (im->width >= im->height) {
        width = tiles_over(im->width, s) * s;
        height = tiles_over((int)(width / ratio), s) * s;
    } else {
        height = tiles_over(im->height, s) * s;
        width = tiles_over((int)(height * ratio), s) * s;
    }
    image_resize_by(out, im, width > s ? width : s, height > s ? height : s, p->filter);
}

void preprocess_cut(float *out, const Image *im, const Preprocess *p, uint32_t *rows, uint32_t *cols)
{
    const int s = p->size;
    const size_t one = 3 * (size_t)s * (size_t)s;
    Image longest, even, whole;
    resize_longest(&longest, im, s * p->across, p->filter);
    resize_to_tiles(&even, &longest, p);
    image_release(&longest);
    *rows = (uint32_t)(even.height / s);
    *cols = (uint32_t)(even.width / s);
    for (int top = 0; top < even.height; top += s)
        for (int left = 0; left < even.width; left += s, out += one)
            normalise(out, &even, left, top, p);
    image_resize_by(&whole, &even, s, s, p->filter);
    normalise(out, &whole, 0, 0, p);
    image_release(&even);
    image_release(&whole);
}
