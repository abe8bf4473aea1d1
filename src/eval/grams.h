/* Tokenised texts (text/ptb.h) as hashes: words, and n-grams with their counts, in one order for merging. */
#ifndef EVAL_GRAMS_H
#define EVAL_GRAMS_H

#include "base/base.h"
#include "base/slice.h"

enum { GRAM_ORDERS = 4 };

typedef struct Words {
    const uint64_t *words; /* [n], of BLEU and CIDEr: between any white space */
    size_t n;
    const uint64_t *tokens; /* [n_tokens], of ROUGE-L: between spaces, so that "" has one, as in pycocoevalcap */
    size_t n_tokens;
} Words;

/* A tokenised text with its words one space apart, whatever white space stands between them; in the arena, or itself. */
Slice words_text(Slice tokenized, Arena *arena);

/* Hashes of a tokenised text, in the arena. */
Words words_of(Slice tokenized, Arena *arena);

typedef struct Gram {
    uint64_t hash;
    uint32_t order, count; /* order: words in it - 1 */
} Gram;

/* The n-grams of up to four words in out [4 * n words], ascending by order and hash, each once; returns how many. */
size_t grams_of(Gram *out, const Words *words);

/* As grams_of, in the arena. */
Gram *grams_new(const Words *words, size_t *n, Arena *arena);

/* Less, equal or greater than 0 as a stands before, at, or behind b in that order. */
int gram_compare(const void *a, const void *b);

/* The hash of n-gram words[0 .. order]. */
uint64_t gram_hash(const uint64_t *words, size_t order);

#endif
