/*
 * Penn Treebank tokens as the caption metrics take them: what Stanford's PTBTokenizer (CoreNLP 3.4.1) with -lowerCase gives as
 * pycocoevalcap 1.2 calls it, without the punctuation that pycocoevalcap removes.
 *
 * A text is taken by itself. pycocoevalcap gives the program all captions at once, and a few rules look past the end of a line:
 * "row A." before a caption that begins with "The" is "row a" there, here "row a.", as before any other caption. Line ends inside
 * a text are spaces.
 *
 * ptb_rules.c has the rules: that program's, as its authors describe them and as it behaves, written anew for lexer.h.
 * tests/golden/metrics/texts.py makes the texts on which they are compared, of eleven kinds. Of 100,000 of each all are equal but
 * a few of random Unicode in which a capital sigma stands beside Chinese characters: whether its lower case is that of a word's
 * end depends on what Java takes for a word there.
 */
#ifndef TEXT_PTB_PTB_H
#define TEXT_PTB_PTB_H

#include "base/base.h"
#include "base/slice.h"

/* How a report calls it. */
#define PTB_NAME "PTB: Stanford CoreNLP 3.4.1 as pycocoevalcap 1.2 calls it"

typedef struct Ptb Ptb;

/* A tokenizer: the caller frees it. Not shared between threads. */
Ptb *ptb_new(void);
void ptb_free(Ptb *p);

/* The tokens of a UTF-8 text, lower-cased, one space between two; "" for none. In the arena. */
Slice ptb_tokenize(Ptb *p, Slice text, Arena *arena);

#endif
