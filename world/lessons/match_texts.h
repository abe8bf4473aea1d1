/*
 * What a scorer is shown of an image while it learns to match: a true caption, two wrong ones, and one with pieces hidden; and
 * where in the image lies what the pieces of true captions are about.
 */
#ifndef WORLD_LESSONS_MATCH_TEXTS_H
#define WORLD_LESSONS_MATCH_TEXTS_H

#include "models/families/blip2/qformer.h"
#include "text/tokenizer.h"
#include "world/lessons/gallery.h"
#include "world/language.h"

enum {
    TRUE_ONE,
    CHANGED, /* the true one with one detail changed, or several, or two exchanged: as long as the truth */
    OTHERS,  /* of another image, by the same plan; true or not */
    MASKED,  /* another true one, of everything or of one object, of which some pieces are [MASK] */
    MATCH_TEXTS
};

/* How hard the texts are. */
typedef struct Hardness {
    bool easy;        /* the other images show one object too */
    double exchanged; /* share of the changed captions that have two details exchanged */
    double related;   /* of the others, share with one relation changed, where the caption says any */
    double borrowed;  /* of those that are left, share that says of one object what is true of another */
    int mined;        /* the other image's caption is the hardest of so many: the one with the fewest claims that do not hold */
} Hardness;

/* Of each piece of a text, special ones included: the patch in which the object's centre lies that it is about, -1 for none. */
typedef struct Places {
    const int32_t *before, *after; /* as WordObjects has them */
} Places;

typedef struct MatchTexts {
    MatcherText text[MATCH_TEXTS];
    Places places, masked_places; /* of the true one, of the masked one */
    const int32_t *whole;         /* ids of the masked text before pieces were hidden */
    bool exchanged, related;      /* the changed one has two details exchanged; one relation changed */
    double told;                  /* share of the image's details that the true one says */
} MatchTexts;

/* A sight of the gallery; easy: one of a scene of one object, in which a word can be compared with all that there is. */
size_t sight_draw(const Gallery *g, bool easy, Dice *d);

/* Who writes texts, and about what: all but the image the same for a whole step. */
typedef struct MatchWriter {
    const Gallery *gallery;
    const Tokenizer *tokenizer;
    size_t patches; /* in a row of an image */
    Dice *dice;
    Arena *arena; /* where ids and places lie */
} MatchWriter;

/* The texts of a sight, which is number `image` of the step. */
MatchTexts match_texts_draw(const MatchWriter *w, size_t image, const Sight *sight, const Hardness *h);

#endif
