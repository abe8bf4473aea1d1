/* Frames not worth keeping: black, blurred, looking like one before. Each decision is made on a small picture, so costs little.
 */
#include "extract/filters.h"

#include <math.h>
#include <stdlib.h>

#include "media/resize.h"

enum { BLACK_BELOW = 32, SHARPNESS_SIDE = 256, PHASH_SIDE = 32, PHASH_LOW = 8 };

static uint8_t luma(const uint8_t *p)
{
    return (uint8_t)((77 * p[0] + 150 * p[1] + 29 * p[2] + 128) >> 8);
}

/* The share of pixels darker than BLACK_BELOW. */
static double dark_share(const Image *im)
{
    size_t n = (size_t)im->width * (size_t)im->height, dark = 0;
    for (size_t i = 0; i < n; i++)
        dark += luma(im->rgb + 3 * i) < BLACK_BELOW;
    return (double)dark / (double)n;
}

/* Variance of the Laplacian of the picture at 256 pixels for its shorter side: low where nothing is sharp. */
static double sharpness(const Image *im)
{
    int shorter = im->width < im->height ? im->width : im->height;
    Image small;
    int width = shorter > SHARPNESS_SIDE ? (int)((int64_t)im->width * SHARPNESS_SIDE / shorter) : im->width;
    int height = shorter > SHARPNESS_SIDE ? (int)((int64_t)im->height * SHARPNESS_SIDE / shorter) : im->height;
    image_resize(&small, im, width, height);
    double sum = 0, squares = 0, n = 0;
    for (int y = 1; y < height - 1; y++)
        for (int x = 1; x < width - 1; x++) {
            const uint8_t *p = small.rgb + ((size_t)y * (size_t)width + (size_t)x) * 3;
            ptrdiff_t row = (ptrdiff_t)width * 3;
            double l = 4.0 * luma(p) - luma(p - 3) - luma(p + 3) - luma(p - row) - luma(p + row);
            sum += l;
            squares += l * l;
            n++;
        }
    image_release(&small);
    return n > 0 ? squares / n - sum / n * (sum / n) : 0;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* A perceptual hash, 64 bits: which of the lowest 8 x 8 cosine coefficients of the 32 x 32 picture lie above their median. */
static uint64_t image_phash(const Image *im)
{
    Image small;
    image_resize(&small, im, PHASH_SIDE, PHASH_SIDE);
    double wave[PHASH_LOW][PHASH_SIDE], rows[PHASH_SIDE][PHASH_LOW] = {{0}}, low[64] = {0}, sorted[64];
    for (int k = 0; k < PHASH_LOW; k++)
        for (int x = 0; x < PHASH_SIDE; x++)
            wave[k][x] = cos((2 * x + 1) * k * 3.14159265358979323846 / (2 * PHASH_SIDE));
    for (int y = 0; y < PHASH_SIDE; y++)
        for (int k = 0; k < PHASH_LOW; k++)
            for (int x = 0; x < PHASH_SIDE; x++)
                rows[y][k] += luma(small.rgb + (y * PHASH_SIDE + x) * 3) * wave[k][x];
    for (int j = 0; j < PHASH_LOW; j++)
        for (int k = 0; k < PHASH_LOW; k++)
            for (int y = 0; y < PHASH_SIDE; y++)
                low[j * PHASH_LOW + k] += rows[y][k] * wave[j][y];
    image_release(&small);
    low[0] = 0; /* mean brightness does not count */
    for (int i = 0; i < 64; i++)
        sorted[i] = low[i];
    qsort(sorted, 64, sizeof *sorted, by_value);
    double median = (sorted[31] + sorted[32]) / 2;
    uint64_t phash = 0;
    for (int i = 0; i < 64; i++)
        phash |= (uint64_t)(low[i] > median) << i;
    return phash;
}

bool phashes_add(Phashes *seen, uint64_t phash, int64_t distance)
{
    for (size_t i = 0; i < seen->n; i++)
        if (__builtin_popcountll(seen->items[i] ^ phash) <= distance)
            return false;
    seen->items = array_reserve(seen->items, &seen->capacity, seen->n + 1, sizeof *seen->items);
    seen->items[seen->n++] = phash;
    return true;
}

bool filters_pass(const FrameSettings *s, const Image *im, Phashes *seen, uint64_t *phash)
{
    *phash = 0;
    bool pass = !(s->drop_black && dark_share(im) >= s->black_share) && !(s->drop_blur && sharpness(im) < s->blur_threshold);
    if (pass && (s->drop_duplicates || s->dedup_all)) {
        *phash = image_phash(im);
        pass = s->dedup_all || phashes_add(seen, *phash, s->duplicate_distance);
    }
    return pass;
}
