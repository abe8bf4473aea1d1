/* What a scorer is shown of an image while it learns to match: a true caption, two wrong ones, and one with pieces hidden. */
#ifndef WORLD_LESSONS_MATCH_TEXTS_H
#define WORLD_LESSONS_MATCH_TEXTS_H

#include "models/qformer.h"
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
    double borrowed;  /* of the others, share that says of one object what is true of another */
    int mined;        /* the other image's caption is the hardest of so many: the one with the fewest claims that do not hold */
} Hardness;

typedef struct MatchTexts {
    QformerText text[MATCH_TEXTS];
    const int32_t *whole; /* ids of the masked text before pieces were hidden */
    bool exchanged;       /* the changed one has two details exchanged */
    double told;          /* share of the image's details that the true one says */
} MatchTexts;

/* A sight of the gallery; easy: one of a scene of one object, in which a word can be compared with all that there is. */
size_t sight_draw(const Gallery *g, bool easy, Dice *d);

/* The texts of image (its number in the step), which shows the scene. Ids lie in the arena. */
MatchTexts match_texts_draw(const Gallery *g, const Tokenizer *t, size_t image, const Scene *s, const Hardness *h, Dice *d,
                            Arena *arena);

#endif
