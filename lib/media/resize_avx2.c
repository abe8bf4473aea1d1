/* The loops of resize_loops.h, compiled for processors with AVX2. */
#include "media/resize_loops.h"

static void horizontal(uint8_t *out, const uint8_t *in, const Taps *t, int in_width, int out_width, int height)
{
    resize_horizontal_rows(out, in, t, in_width, out_width, height);
}

static void vertical(uint8_t *out, const uint8_t *in, const Taps *t, size_t n, int out_height, int32_t *sums)
{
    resize_vertical_rows(out, in, t, n, out_height, sums);
}

const ResizeLoops resize_loops_avx2 = {horizontal, vertical};
