/* The two inner loops of resize.c: the same exact integer arithmetic for every processor, chosen at run time. */
#ifndef MEDIA_RESIZE_LOOPS_H
#define MEDIA_RESIZE_LOOPS_H

#include <stddef.h>
#include <stdint.h>

enum { RESIZE_BITS = 22 }; /* fraction bits of a tap, as in Pillow: 32 - 8 of the pixel - 2 for overshoot */

/* For each output place: `count` taps that begin at input place `first`. */
typedef struct Taps {
    int most;   /* places in k for each output */
    int32_t *k; /* [out, most], fixed point */
    int *first; /* [out] */
    int *count; /* [out] */
} Taps;

typedef struct ResizeLoops {
    /* out [height, out_width, 3] from in [height, in_width, 3] */
    void (*horizontal)(uint8_t *out, const uint8_t *in, const Taps *t, int in_width, int out_width, int height);
    /* out [out_height, n] from in [.., n]; sums: n places of scratch */
    void (*vertical)(uint8_t *out, const uint8_t *in, const Taps *t, size_t n, int out_height, int32_t *sums);
} ResizeLoops;

extern const ResizeLoops resize_loops_plain, resize_loops_avx2;

static inline uint8_t resize_clip(int32_t sum)
{
    sum >>= RESIZE_BITS;
    return (uint8_t)(sum < 0 ? 0 : sum > 255 ? 255 : sum);
}

static inline void resize_vertical_rows(uint8_t *restrict out, const uint8_t *restrict in, const Taps *t, size_t n,
                                        int out_height, int32_t *restrict sums)
{
    for (int j = 0; j < out_height; j++, out += n) {
        const int32_t *k = t->k + (size_t)j * (size_t)t->most;
        for (size_t x = 0; x < n; x++)
            sums[x] = 1 << (RESIZE_BITS - 1);
        for (int i = 0; i < t->count[j]; i++) {
            const uint8_t *row = in + (size_t)(t->first[j] + i) * n;
            const int32_t w = k[i];
            for (size_t x = 0; x < n; x++)
                sums[x] += row[x] * w;
        }
        for (size_t x = 0; x < n; x++)
            out[x] = resize_clip(sums[x]);
    }
}

static inline void resize_horizontal_rows(uint8_t *restrict out, const uint8_t *restrict in, const Taps *t, int in_width,
                                          int out_width, int height)
{
    for (int y = 0; y < height; y++, in += (size_t)in_width * 3) {
        for (int j = 0; j < out_width; j++, out += 3) {
            const int32_t *k = t->k + (size_t)j * (size_t)t->most;
            const uint8_t *p = in + (size_t)t->first[j] * 3;
            int32_t r = 1 << (RESIZE_BITS - 1), g = r, b = r;
            for (int i = 0; i < t->count[j]; i++, p += 3) {
                r += p[0] * k[i];
                g += p[1] * k[i];
                b += p[2] * k[i];
            }
            out[0] = resize_clip(r);
            out[1] = resize_clip(g);
            out[2] = resize_clip(b);
        }
    }
}

#endif
