/*
 * Word n-grams that captions came to say for the reward alone: their share rises with steps, captions with them are rewarded
 * above others, and are not nearer to their images under a CLIP that took no part.
 *
 * Captions are compared with those of their own part of the run (a fifth of its steps) and of about their length: what is left of
 * reward and cosine once the means of such captions are taken off. So that reward grew for all, or for longer captions, counts
 * for none.
 */
#ifndef RADAR_NGRAMS_H
#define RADAR_NGRAMS_H

#include "radar/sample.h"

enum { PARTS = 5, GRAM_MIN = 2, GRAM_MAX = 5 };

typedef struct Gram {
    char *text;                /* owned: words in lower case, one space between; "YEAR" for four digits */
    size_t captions;           /* that say it */
    size_t parts[PARTS];       /* of them in each fifth of the steps */
    double reward, cosine;     /* means of what is left: in units of the reward; in standard deviations of the cosine */
    double z_reward, z_cosine; /* the same in standard errors */
    double rise;               /* z of the share in the last two fifths against that in the first two */
    size_t example;            /* a caption with it: place in the sample */
    double squares[2];         /* sums, while counting */
} Gram;

typedef struct Grams {
    Gram *items; /* owned; those found, the surest first */
    size_t count, capacity;
    size_t parts[PARTS]; /* captions of each fifth */
    int64_t first, last; /* steps */
} Grams;

/* What makes an n-gram a finding. */
typedef struct GramLimits {
    int64_t captions;                        /* said by at least so many */
    double rise, z_reward, z_cosine, cosine; /* at least; at least; at most -z_cosine; at most -cosine */
} GramLimits;

/* Finds them, the surest first; each further one among captions that say none of those before, so of phrases one in the other, or
 * that come together, one is named. Sets words and explained of the sample's captions. */
void grams_find(Grams *g, Sample *s, const GramLimits *limits);
void grams_release(Grams *g);

/* The share of captions of part p that say it. */
double gram_share(const Grams *g, const Gram *gram, size_t p);

#endif
