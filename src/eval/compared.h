/* References as captions are compared with them word by word: their tokens, by image, and in how many images' n-grams stand. */
#ifndef EVAL_COMPARED_H
#define EVAL_COMPARED_H

#include "eval/frequencies.h"
#include "text/ptb/ptb.h"

/* Of image i they are count[i] from first[i] on. */
typedef struct Compared {
    Slice *texts; /* owned array: tokenised; in the arena */
    Words *words; /* owned array: their hashes, in the arena */
    size_t n, text_capacity, word_capacity;
    size_t *first, *count; /* owned: [images] */
    size_t images, first_capacity, count_capacity;
    Frequencies frequencies; /* of these references */
    Ptb *tokenizer;          /* owned; NULL before the first image */
    Arena arena;
} Compared;

/* Adds the next image with its n > 0 references. */
void compared_add(Compared *c, const Slice *texts, size_t n, Arena *scratch);
void compared_release(Compared *c);

#endif
