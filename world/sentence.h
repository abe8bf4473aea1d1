/* A caption under construction: words in a row, synonyms chosen so that none has to be said twice. */
#ifndef WORLD_SENTENCE_H
#define WORLD_SENTENCE_H

#include "base/msg.h"
#include "world/dice.h"
#include "world/language.h"
#include "world/words.h"

enum { SENTENCE_MAX = 64 };

typedef struct Sentence {
    const char *word[SENTENCE_MAX]; /* borrowed: the lexicon's, or the caption's they were split from */
    int n;
    char kept[CAPTION_MAX]; /* the text that sentence_split cut up, and made-up years */
} Sentence;

/* Adds each word of a phrase of the lexicon's words ("left of", "a"). phrase must outlive the sentence. */
void sentence_add(Sentence *s, const char *word);

/* Adds a word that says the value: one not yet said, if there is any left. */
void sentence_say(Sentence *s, WordKind kind, int value, Dice *d);

/* Whether the word stands in the sentence. */
bool sentence_has(const Sentence *s, const char *word);

/* Whether some word that may not repeat does, or any two words in a row do. */
bool sentence_repeats(const Sentence *s);

/* The sentence as text; "a" becomes "an" before a vowel and the other way round. */
void sentence_join(char out[CAPTION_MAX], const Sentence *s);

/* Cuts a caption at its spaces; false when it has too many words or bytes. */
MUST_USE bool sentence_split(Sentence *s, const char *caption);

#endif
