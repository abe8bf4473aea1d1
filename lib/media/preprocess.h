/* From an image to a model's input, as the processors of Hugging Face and the transform of open_clip make it. */
#ifndef MEDIA_PREPROCESS_H
#define MEDIA_PREPROCESS_H

#include "media/resize.h"

typedef struct Preprocess {
    int size;  /* S */
    bool crop; /* shortest edge to S, then the centre S x S (CLIP); else straight to S x S, the aspect not kept (BLIP-2) */
    double mean[3], std[3];
    bool low; /* with crop: a corner between two pixels is the lower one, as Hugging Face's processors round; else half to even */
    ResizeFilter filter;
    int across;  /* the picture is cut, into so many tiles along its longer edge (SmolVLM); 0: it is not */
    int longest; /* first the longer edge to so many pixels, the aspect kept to an even number of them (SmolVLM); 0: not so */
} Preprocess;

/* The mean and standard deviation that BLIP-2 and every CLIP here were trained with (preprocessor_config.json). */
extern const double PREPROCESS_MEAN[3], PREPROCESS_STD[3];

/*
 * out [3, S, S] (R plane, G plane, B plane) = (pixel / 255 - mean) / std, rounded as Hugging Face's processors
 * round: the pixel times 1/255 in double, to float, then mean and std in float; so equal to them to the last bit. With crop the
 * long edge becomes S * long / short (integer division) and the corner is (n - S) / 2 rounded half to even, as torchvision
 * rounds.
 */
void preprocess(float *out, const Image *im, const Preprocess *p);

/* Its first half: out (the caller's to release) is the image [S, S], with crop the one that the centre is taken of. */
void preprocess_resize(Image *out, const Image *im, const Preprocess *p);

/*
 * Of a picture that is cut (p->across): out [*rows * *cols + 1, 3, S, S], row after row of tiles, then the whole of it, as
 * Idefics3's processor makes them: the longer edge to S * across, the other to an even number of pixels, both then to whole
 * tiles; the whole is made of that. out has room for across * across + 1 of them.
 */
void preprocess_cut(float *out, const Image *im, const Preprocess *p, uint32_t *rows, uint32_t *cols);

#endif
