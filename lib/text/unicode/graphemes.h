/*
 * Grapheme clusters (https://unicode.org/reports/tr29/): what a reader takes for one character. As far as the normalisation of
 * unigram tokenizers asks, which looks at clusters of at most five bytes: rules 3 to 9b. Rules 9c, 11 and 12 (conjuncts, emoji
 * sequences, flags) only join what is longer.
 */
#ifndef TEXT_UNICODE_GRAPHEMES_H
#define TEXT_UNICODE_GRAPHEMES_H

#include <stddef.h>
#include <stdint.h>

/* The end of the cluster that begins at code[i]; i < n. */
size_t grapheme_end(const uint32_t *code, size_t i, size_t n);

/* How a code point joins its neighbours. */
typedef enum GraphemeClass {
    GRAPHEME_OTHER,
    GRAPHEME_CONTROL,  /* stands alone */
    GRAPHEME_JOINS,    /* belongs to what is before it */
    GRAPHEME_PREPENDS, /* belongs to what is after it */
    GRAPHEME_L,        /* Hangul: leading consonant, vowel, trailing consonant; syllables are computed */
    GRAPHEME_V,
    GRAPHEME_T,
} GraphemeClass;

/* Runs of code points of one class: from start to the next row's. graphemes_data.c, made by make_graphemes_data.py. */
typedef struct GraphemeRange {
    uint32_t start;
    uint8_t class;
} GraphemeRange;
extern const GraphemeRange grapheme_ranges[];
extern const size_t grapheme_n_ranges;

#endif
