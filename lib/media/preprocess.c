/* A model's input; see preprocess.h. */
#include "media/preprocess.h"

#include <math.h>

const double PREPROCESS_MEAN[3] = {0.48145466, 0.4578275, 0.40821073}, PREPROCESS_STD[3] = {0.26862954, 0.26130258, 0.27577711};

/* The corner of a centre crop out of n: nearbyint rounds half to even. */
static int corner(int n, const Preprocess *p)
{
    return p->low ? (n - p->size) / 2 : (int)nearbyint((n - p->size) / 2.0);
}

/* The first of two resizings, where there are two, as Idefics3's processor rounds: the shorter edge down, then up to even. */
static bool resize_longest(Image *out, const Image *im, const Preprocess *p)
{
    if (p->longest == 0)
        return false;
    const double ratio = (double)im->width / im->height;
    int width = p->longest, height = p->longest;
    if (im->width >= im->height)
        height = (int)(p->longest / ratio);
    else
        width = (int)(p->longest * ratio);
    height += height < p->longest && height % 2;
    width += width < p->longest && width % 2;
    image_resize_by(out, im, width > 1 ? width : 1, height > 1 ? height : 1, p->filter);
    return true;
}

void preprocess(float *out, const Image *im, const Preprocess *p)
{
    int s = p->size, width = s, height = s, shorter = im->width < im->height ? im->width : im->height;
    if (p->crop) {
        width = (int)((int64_t)s * im->width / shorter);
        height = (int)((int64_t)s * im->height / shorter);
    }
    Image first, small;
    bool twice = resize_longest(&first, im, p);
    image_resize_by(&small, twice ? &first : im, width, height, p->filter);
    if (twice)
        image_release(&first);
    float value[3][256];
    for (int c = 0; c < 3; c++)
        for (int v = 0; v < 256; v++)
            value[c][v] = ((float)(v * (1 / 255.0)) - (float)p->mean[c]) / (float)p->std[c];
    size_t plane = (size_t)s * (size_t)s;
    for (int y = 0; y < s; y++) {
        const uint8_t *row = small.rgb + ((size_t)(y + corner(height, p)) * (size_t)width + (size_t)corner(width, p)) * 3;
        for (int x = 0; x < s; x++, out++, row += 3)
            for (size_t c = 0; c < 3; c++)
                out[c * plane] = value[c][row[c]];
    }
    image_release(&small);
}
