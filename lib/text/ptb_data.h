/*
 * What the caption metrics' tokenizer takes characters and words with a full stop for (ptb_data.c). Found by asking it:
 * make_ptb_data.py says how.
 */
#ifndef TEXT_PTB_DATA_H
#define TEXT_PTB_DATA_H

#include <stddef.h>
#include <stdint.h>

typedef enum PtbClass {
    PTB_DROPPED,  /* leaves nothing and ends what stands before it, like a space */
    PTB_LETTER,   /* part of words: letters of any script, marks, superscript letters */
    PTB_MODIFIER, /* part of words, not beside a hyphen */
    PTB_DIGIT,
    PTB_SYMBOL /* a token by itself */
} PtbClass;

/* Characters first..last of a class; ranges in order, a character in none is PTB_DROPPED. */
typedef struct PtbRange {
    uint16_t first, last;
    uint8_t kind;
} PtbRange;
extern const PtbRange ptb_ranges[];
extern const size_t ptb_n_ranges;

/* Words that keep a full stop behind them, lower case, sorted. `cases` has the ways of writing one for which they do. */
enum { PTB_LOWER = 1, PTB_TITLE = 2, PTB_UPPER = 4, PTB_NUMBERED = 8 /* in any, before a number only */ };
typedef struct PtbAbbreviation {
    char word[8];
    uint8_t cases;
} PtbAbbreviation;
extern const PtbAbbreviation ptb_abbreviations[];
extern const size_t ptb_n_abbreviations;

/* Words that, with a capital, begin a sentence: a full stop of initials before them is a token of its own. Lower case, sorted. */
extern const char *const ptb_openers[];
extern const size_t ptb_n_openers;

/* Domains that a host without http:// ends in, and endings of files. */
extern const char *const ptb_domains[], *const ptb_file_endings[];
extern const size_t ptb_n_domains, ptb_n_file_endings;

#endif
