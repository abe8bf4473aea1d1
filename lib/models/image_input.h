/* How a model wants its images, whatever it makes of them: what stage/frame.h resizes them by. */
#ifndef MODELS_IMAGE_INPUT_H
#define MODELS_IMAGE_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef enum ImageFilter { IMAGE_BICUBIC, IMAGE_BILINEAR, IMAGE_LANCZOS } ImageFilter;

/* How a picture is cut: rows x cols tiles, behind which comes the whole of it; 0 x 0: the whole alone. */
typedef struct TileGrid {
    uint32_t rows, cols;
} TileGrid;

/* How many images [3, side, side] it becomes. */
static inline size_t tile_grid_images(TileGrid g)
{
    return (size_t)g.rows * g.cols + 1;
}

static inline bool tile_grid_same(TileGrid a, TileGrid b)
{
    return a.rows == b.rows && a.cols == b.cols;
}

/* Pixels [3, side, side], (value / 255 - mean) / std. */
typedef struct ImageInput {
    size_t side;
    double mean[3], std[3]; /* std 0: the folder does not say: as all of BLIP-2 and CLIP */
    bool crop;              /* shortest edge to `side`, then the centre; else both edges, the aspect not kept */
    bool low;               /* with crop: a corner between two pixels is the lower one; else half to even (media/preprocess.h) */
    ImageFilter filter;
    size_t longest; /* first resized so that the longer edge has so many pixels; 0: at once */
    bool cuts;      /* the published processor cuts a picture into tiles so large */
    size_t across;  /* tiles along the longer edge of a picture; 0: it is not cut */
} ImageInput;

#endif
