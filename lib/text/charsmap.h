/*
 * SentencePiece's table of normalisation ("precompiled_charsmap", https://github.com/google/sentencepiece): which characters, or
 * short runs of them, become which text. A double-array trie (Aoe 1989; darts-clone's units) over UTF-8, and the texts.
 */
#ifndef TEXT_CHARSMAP_H
#define TEXT_CHARSMAP_H

#include <stdint.h>

#include "base/memory.h"
#include "base/msg.h"
#include "base/slice.h"

typedef struct Charsmap { /* `= {0}`: changes nothing */
    uint32_t *units;
    size_t n_units;
    Slice texts; /* each ends with a zero byte */
} Charsmap;

/* Bytes as they stand in a model file: the trie's size, the trie, the texts. Copied into the arena. False with err set. */
MUST_USE bool charsmap_init(Charsmap *m, Arena *arena, Slice bytes, Error *err);

/* What the shortest key that `text` begins with becomes; data is NULL where it begins with none. Valid UTF-8, may be empty. */
Slice charsmap_find(const Charsmap *m, Slice text);

#endif
