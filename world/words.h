/*
 * The words of the world's language, each with what it says. Several words may say the same: that is what gives a caption many
 * true ways on, and what spares it from saying a word twice.
 */
#ifndef WORLD_WORDS_H
#define WORLD_WORDS_H

#include <stdbool.h>
#include <stddef.h>

typedef enum WordKind {
    WORD_UNKNOWN,
    WORD_SHAPE,    /* value: Figure */
    WORD_HUE,      /* value: Hue, of objects or backgrounds */
    WORD_SIZE,     /* value: Size */
    WORD_FILL,     /* value: Fill */
    WORD_TEXTURE,  /* value: Texture */
    WORD_RELATION, /* value: Relation, said in one word: "above" */
    WORD_SIDE,     /* value: Relation: "left" and "right" (of), "next" (to) */
    WORD_AFTER,    /* value: 0 "of", 1 "to": the second word of a relation */
    WORD_GROUND,   /* "background" */
    WORD_ARTICLE,  /* value: 0 "a", 1 "an", 2 "the" */
    WORD_JOIN,     /* value: 0 "and", 1 "with" */
    WORD_ON,       /* value: 0 "on", 1 "against": before a background; 2 "in": before a year */
    WORD_MEDIUM,   /* "image", "video", ..: the meaningless openings of web captions */
    WORD_VERB,     /* value: 0 "there", 1 "is", 2 "talking", 3 "about" */
    WORD_YEAR,     /* four digits */
} WordKind;

typedef struct Word {
    const char *text;
    WordKind kind;
    int value;
} Word;

/* Every word but the years, in a fixed order. */
extern const Word words[];
extern const size_t n_words;

/* The entry of a word (n bytes, any case; a year gets one of kind WORD_YEAR), or of kind WORD_UNKNOWN. */
Word word_find(const char *text, size_t n);

/* The i-th way (i from 0) to say a value; NULL past the last. */
const char *word_saying(WordKind kind, int value, int i);

/* Whether the word may be said twice: articles, prepositions and colours (share/exempt-words.txt). */
bool word_may_repeat(const Word *w);

#endif
