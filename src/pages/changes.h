/* What changed in captions from one step to another: the words that more of them say, or fewer. */
#ifndef PAGES_CHANGES_H
#define PAGES_CHANGES_H

#include <jansson.h>

#include "base/base.h"

/* In how many captions each word stands. `= {0}` is empty. */
typedef struct WordShares {
    json_t *counts; /* owned: {word: captions} */
    size_t captions;
} WordShares;

/* Counts the words of one caption: letters, digits, ' and - inside, ASCII without case. */
void word_shares_add(WordShares *w, const char *text);
void word_shares_release(WordShares *w);

/* {"gained": [[word, share before, share after]], "lost": the same} (a new reference): the `most` whose share moved most. */
json_t *words_changed(const WordShares *before, const WordShares *after, size_t most);

#endif
