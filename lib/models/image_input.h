/* How a model wants its images, whatever it makes of them: what stage/frame.h resizes them by. */
#ifndef MODELS_IMAGE_INPUT_H
#define MODELS_IMAGE_INPUT_H

#include <stdbool.h>
#include <stddef.h>

typedef enum ImageFilter { IMAGE_BICUBIC, IMAGE_BILINEAR, IMAGE_LANCZOS } ImageFilter;

/* Pixels [3, side, side], (value / 255 - mean) / std. */
typedef struct ImageInput {
    size_t side;
    double mean[3], std[3]; /* std 0: the folder does not say: as all of BLIP-2 and CLIP */
    bool crop;              /* shortest edge to `side`, then the centre; else both edges, the aspect not kept */
    bool low;               /* with crop: a corner between two pixels is the lower one; else half to even (media/preprocess.h) */
    ImageFilter filter;
    size_t longest; /* first resized so that the longer edge has so many pixels; 0: at once */
    bool tiles;     /* the published processor would cut an image into several tiles, which is not done */
} ImageInput;

#endif
