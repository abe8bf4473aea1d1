/* The different words of a text and how often each stands there; and the list of words that WordPiece is. Internal to lib/text.
 */
#ifndef TEXT_TRAIN_WORDS_H
#define TEXT_TRAIN_WORDS_H

#include "text/vocab.h"

typedef struct TrainWord {
    Slice text;
    uint64_t count;
} TrainWord;

typedef struct TrainWords {
    TrainWord *items; /* owned: [n], in the order of their first appearance */
    size_t n, capacity;
    Vocab index; /* word to place */
} TrainWords;

/* Normalises and splits each line as the tokenizer of this kind does; only OPT's lines keep their newline. */
MUST_USE bool train_words_collect(TrainWords *w, TokenizerKind kind, Slice text, Error *err);
void train_words_release(TrainWords *w);

/* Writes vocab.txt. */
MUST_USE bool train_wordpiece(const char *folder, const TrainWords *words, size_t size, Error *err);

#endif
