/* Pillow's filters; see resize.h. The inner loops are in resize_loops.h, compiled for two kinds of processor. */
#include "media/resize.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "media/resize_loops.h"

/* Cubic convolution with a = -0.5: R. Keys, "Cubic convolution interpolation for digital image processing", 1981. */
static double cubic(double x)
{
    const double a = -0.5;
    x = fabs(x);
    if (x < 1.0)
        return ((a + 2.0) * x - (a + 3.0)) * x * x + 1;
    if (x < 2.0)
        return (((x - 5) * x + 8) * x - 4) * a;
    return 0.0;
}

static double triangle(double x)
{
    x = fabs(x);
    return x < 1.0 ? 1.0 - x : 0.0;
}

static double sinc(double x)
{
    x *= M_PI;
    return x == 0.0 ? 1.0 : sin(x) / x;
}

static double lanczos(double x)
{
    return x >= -3.0 && x < 3.0 ? sinc(x) * sinc(x / 3) : 0.0;
}

/* A filter's weights and how far they reach. */
typedef struct Filter {
    double (*weight)(double x);
    double support;
} Filter;

static const Filter filters[] = {
    [RESIZE_BICUBIC] = {cubic, 2.0}, [RESIZE_LANCZOS] = {lanczos, 3.0}, [RESIZE_BILINEAR] = {triangle, 1.0}};

static int32_t to_fixed(double w)
{
    return (int32_t)(w < 0 ? w * (1 << RESIZE_BITS) - 0.5 : w * (1 << RESIZE_BITS) + 0.5);
}

/* The taps of one axis, `in` samples to `out`. Arithmetic in the order Pillow has it: the last bit depends on it. */
static void taps_init(Taps *t, int in, int out, const Filter *filter)
{
    double scale = (double)in / out, wide = scale < 1.0 ? 1.0 : scale, support = filter->support * wide, narrow = 1.0 / wide;
    t->most = (int)ceil(support) * 2 + 1;
    t->k = xcalloc((size_t)out * (size_t)t->most, sizeof *t->k);
    t->first = xmalloc((size_t)out * sizeof *t->first);
    t->count = xmalloc((size_t)out * sizeof *t->count);
    double *w = xmalloc((size_t)t->most * sizeof *w);
    for (int j = 0; j < out; j++) {
        double centre = (j + 0.5) * scale, sum = 0;
        int lo = (int)(centre - support + 0.5), hi = (int)(centre + support + 0.5);
        lo = lo < 0 ? 0 : lo;
        hi = hi > in ? in : hi;
        for (int i = 0; i < hi - lo; i++)
            sum += w[i] = filter->weight((i + lo - centre + 0.5) * narrow);
        for (int i = 0; i < hi - lo; i++)
            t->k[(size_t)j * (size_t)t->most + (size_t)i] = to_fixed(sum != 0.0 ? w[i] / sum : w[i]);
        t->first[j] = lo;
        t->count[j] = hi - lo;
    }
    free(w);
}

static void taps_release(Taps *t)
{
    free(t->k);
    free(t->first);
    free(t->count);
}

static const ResizeLoops *loops(void)
{
    return __builtin_cpu_supports("avx2") ? &resize_loops_avx2 : &resize_loops_plain;
}

static void resize_horizontal(Image *out, const Image *in, int width, const Filter *filter)
{
    Taps t;
    taps_init(&t, in->width, width, filter);
    image_init(out, width, in->height);
    loops()->horizontal(out->rgb, in->rgb, &t, in->width, width, in->height);
    taps_release(&t);
}

static void resize_vertical(Image *out, const Image *in, int height, const Filter *filter)
{
    Taps t;
    taps_init(&t, in->height, height, filter);
    image_init(out, in->width, height);
    int32_t *sums = xmalloc((size_t)in->width * 3 * sizeof *sums);
    loops()->vertical(out->rgb, in->rgb, &t, (size_t)in->width * 3, height, sums);
    free(sums);
    taps_release(&t);
}

void image_resize_by(Image *out, const Image *in, int width, int height, ResizeFilter filter)
{
    Image wide = {0};
    const Image *from = in;
    if (width != in->width) {
        resize_horizontal(&wide, in, width, &filters[filter]);
        from = &wide;
    }
    if (height != in->height) {
        Image high;
        resize_vertical(&high, from, height, &filters[filter]);
        image_release(&wide);
        *out = high;
    } else if (from == &wide) {
        *out = wide;
    } else {
        image_init(out, width, height);
        memcpy(out->rgb, in->rgb, (size_t)width * (size_t)height * 3);
    }
}

void image_resize(Image *out, const Image *in, int width, int height)
{
    image_resize_by(out, in, width, height, RESIZE_BICUBIC);
}
