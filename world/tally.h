/* Verdicts over many captions, added up: what vlrm-world-score reports. Rates are those of the sums, not means of rates. */
#ifndef WORLD_TALLY_H
#define WORLD_TALLY_H

#include <jansson.h>
#include <stdio.h>

#include "world/reading.h"

typedef struct Tally {
    int64_t captions, grammatical, words, hue_words;
    int64_t there[DETAILS], found[DETAILS], said[DETAILS], wrong[DETAILS];
    int64_t hues_there, hues_found;
} Tally;

/* Counts one caption: how it read, and what of it is true. */
void tally_add(Tally *t, const Reading *r, const Verdict *v);

/*
 * {"captions", "detail_recall", "hallucination", "grammar", "words", "colour_words", "colour_coverage", "details": {"shape":
 * {"there", "found", "said", "wrong", "recall", "hallucination"}, ..}}, a new reference. A rate of nothing is null.
 */
json_t *tally_json(const Tally *t);

/* The same for eyes. */
void tally_print(const Tally *t, FILE *out);

/* One caption's counts: {"id", "text", "there", "found", "said", "wrong", "grammatical", "words", "colour_words", "colours",
 * "colours_said"}, a new reference. */
json_t *caption_json(const char *id, const char *text, const Reading *r, const Verdict *v);

#endif
