/*
 * What can be said of captions without a model: words, vocabulary, distinct n-grams (Li et al. 2016, arXiv 1510.03055: different
 * n-grams / all n-grams), colour words, bad phrases, repeated words.
 *
 * Words are those of the repeat rule (text/words.h), compared case-folded; n-grams do not cross captions.
 */
#ifndef EVAL_STATISTICS_H
#define EVAL_STATISTICS_H

#include "eval/places.h"
#include "text/words.h"

enum { NGRAMS = 4 };

/* Of one caption. */
typedef struct TextCounts {
    size_t words, colours; /* colours: words of the colour list */
    size_t bad;            /* phrases of the list and years */
    size_t repeats;        /* words said before, but for exempt ones */
} TextCounts;

typedef struct TextTotals {
    Places grams[NGRAMS]; /* different ones */
    size_t all[NGRAMS];   /* how many there were */
    size_t empty;         /* captions without a word */
} TextTotals;

typedef struct WordList {
    Places words;    /* by hash of the case-folded word */
    uint64_t digest; /* of the file's bytes */
} WordList;

/* One word a line, '#' begins a comment line. */
MUST_USE bool word_list_read(WordList *list, const char *path, Error *err);
void word_list_release(WordList *list);

/* Counts one caption (valid UTF-8 or not) and adds it to the totals. */
TextCounts statistics_add(TextTotals *totals, Slice text, const WordRules *rules, const WordList *colours, Arena *scratch);

/* The first `characters` characters of a text, as IC3 cuts captions (300); an invalid sequence counts as one. */
Slice text_cut(Slice text, size_t characters);

/* Frees what it holds. */
void totals_release(TextTotals *totals);

#endif
