/* Frames with their truth in memory: what the miniature models are taught from. 7 kB a frame. */
#ifndef WORLD_LESSONS_GALLERY_H
#define WORLD_LESSONS_GALLERY_H

#include "media/preprocess.h"
#include "stream/filter.h"
#include "world/dice.h"
#include "world/truth.h"

typedef struct Sight {
    const Scene *scene; /* borrowed from the truth */
    double moment;      /* of its shot: 0 begins, 1 ends */
    uint8_t *rgb;       /* owned: [side, side, 3], resized as the models' preprocessing does */
} Sight;

typedef struct Gallery {
    Truth truth;
    Sight *sights; /* owned */
    size_t n, capacity;
    int side;
    Preprocess values; /* what is left to do to a sight's rgb */
} Gallery;

/* Reads all frames of the filter's input as p wants them, who does not crop. A frame that is in no shot of the truth, or has no
 * image, fails (filter_failed). */
MUST_USE bool gallery_read(Gallery *g, Filter *f, const char *truth, const Preprocess *p, Error *err);
void gallery_release(Gallery *g);

/* out [n, 3, side, side]: the sights of these numbers as a model takes them. */
void gallery_pixels(const Gallery *g, float *out, const size_t *numbers, size_t n);

/* n numbers of sights, drawn with replacement. */
void gallery_draw(const Gallery *g, size_t *numbers, size_t n, Dice *d);

#endif
