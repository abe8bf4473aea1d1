/* How captions changed as a whole: length, vocabulary, how alike they are, in each fifth of a run. */
#ifndef RADAR_DRIFT_H
#define RADAR_DRIFT_H

#include "radar/ngrams.h"

typedef struct Drift {
    size_t captions;
    double words;          /* a caption, mean */
    double distinct;       /* different captions / captions */
    double opening;        /* share of the commonest three words that captions begin with */
    char *begins;          /* owned: those words */
    double reward, cosine; /* means */
} Drift;

/* Of the captions of part p; begins is NULL where there is none. */
Drift drift_of(const Grams *g, const Sample *s, size_t p);
void drift_release(Drift *d);

#endif
