/*
 * Penn Treebank tokens as the caption metrics take them: what Stanford's PTBTokenizer (CoreNLP 3.4.1) with -lowerCase gives as
 * pycocoevalcap 1.2 calls it, without the punctuation that pycocoevalcap removes.
 *
 * A text is taken by itself. pycocoevalcap gives the program all captions at once, and a few rules look past the end of a line:
 * "row A." before a caption that begins with "The" is "row a" there, here "row a.", as before any other caption. Line ends inside
 * a text are spaces.
 *
 * The rules were found by asking the program, character by character and word by word, and are written down as it behaves;
 * nothing of its source is in them. tests/golden/metrics/texts.py makes the texts on which they are compared: captions with what
 * captions have in them. Where words run into each other without a space ("Blvd.-p.m,fries") about 15 texts of 1000 differ.
 */
#ifndef TEXT_PTB_H
#define TEXT_PTB_H

#include "base/base.h"
#include "base/slice.h"

/* How a report calls it. */
#define PTB_NAME "PTB: Stanford CoreNLP 3.4.1 as pycocoevalcap 1.2 calls it"

/* The tokens of a UTF-8 text, lower-cased, one space between two; "" for none. In the arena. */
Slice ptb_tokenize(Slice text, Arena *arena);

#endif
