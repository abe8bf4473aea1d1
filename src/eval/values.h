/* What a caption may be given beside its ranks; a column of the table each. NAN: not known. */
#ifndef EVAL_VALUES_H
#define EVAL_VALUES_H

#include "eval/chair.h"
#include "eval/overlap.h"

typedef enum Value {
    VALUE_COSINE,
    VALUE_CLIPSCORE,    /* Hessel et al. 2021 */
    VALUE_REFCLIPSCORE, /* where the image has references */
    VALUE_ITM,
    VALUE_BLEU, /* @1 .. @4: of the set alone, by its parts */
    VALUE_ROUGE = VALUE_BLEU + GRAM_ORDERS,
    VALUE_CIDER,
    VALUE_CIDER_D,
    VALUE_CHAIR_S, /* 0 or 1: it names what is not there; the next two by their parts */
    VALUE_CHAIR_I,
    VALUE_CHAIR_RECALL,
    VALUE_WORDS,
    VALUE_TOKENS,
    VALUE_COLOURS,
    VALUE_BAD, /* 0 or 1, and so the next three */
    VALUE_REPEATS,
    VALUE_NOEOS,
    VALUE_CUT,   /* CLIP has not read all of it */
    VALUE_PARTS, /* from here on: parts of what is of the set alone (derived.h) */
    VALUE_CORRECT = VALUE_PARTS,
    VALUE_GUESS = VALUE_CORRECT + GRAM_ORDERS,
    VALUE_LENGTH = VALUE_GUESS + GRAM_ORDERS,
    VALUE_CLOSEST,
    VALUE_INVENTED,
    VALUE_MENTIONED,
    VALUE_FOUND,
    VALUE_OBJECTS,
    VALUES,
} Value;

/* The name of its column, and of its key in --per-image. */
const char *value_name(size_t value);

/* All NAN. */
void values_clear(double values[VALUES]);

/* Fills in what overlap.h says. */
void values_overlap(double values[VALUES], const Overlap *o);

/* Fills in what chair.h says. */
void values_chair(double values[VALUES], const ChairCounts *c);

/* Values whose parts are known but which are of the set alone: 0, so that their columns are there. */
void values_of_set(double values[VALUES]);

#endif
