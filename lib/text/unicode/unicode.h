/*
 * Unicode as Hugging Face's tokenizers and Python's regex see it: classes, normal forms, case, UTF-8.
 *
 * Own tables (unicode_data.c, probed out of those libraries) rather than PCRE2's and utf8proc's: the references mix data of
 * Unicode 8, 9, 14, 16 and 17, and equal ids must not depend on which Unicode version a system's library has.
 */
#ifndef TEXT_UNICODE_UNICODE_H
#define TEXT_UNICODE_UNICODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"

/* Classes of a code point; a set of bits. */
enum {
    UNICODE_LETTER = 1,      /* \p{L} of OPT and CLIP (Unicode 16) */
    UNICODE_NUMBER = 2,      /* \p{N} of the same */
    UNICODE_SPACE = 4,       /* White_Space: 25 code points; U+001C..1F are not */
    UNICODE_WORD = 8,        /* [\p{L}\p{M}\p{N}] of the word rules (Python's regex) */
    UNICODE_BERT_DROP = 16,  /* removed before anything else */
    UNICODE_BERT_CJK = 32,   /* gets a space on both sides */
    UNICODE_BERT_MARK = 64,  /* dropped after NFD: Mn of Unicode 8 */
    UNICODE_BERT_PUNCT = 128 /* a word by itself */
};
unsigned unicode_flags(uint32_t code);

/* The lower case of one code point by itself (Unicode 17). U+0130, which has two characters, is returned as it is. */
uint32_t unicode_to_lower(uint32_t code);

/* The smallest code point that regex's IGNORECASE takes for equal. I, i, U+0130 and U+0131 are returned as they are. */
uint32_t unicode_to_equal(uint32_t code);

/* Python's str.casefold of one code point: writes 1 to 3 code points, returns how many. */
int unicode_to_fold(uint32_t out[3], uint32_t code);

/* A text on its way through a tokenizer: each character remembers which character of the input it comes from. */
typedef struct Chars {
    uint32_t *code, *origin; /* owned: [n] */
    size_t n, capacity;
} Chars;

/* Frees what it holds; it is empty again. */
void chars_release(Chars *s);
void chars_push(Chars *s, uint32_t code, uint32_t origin);
void chars_swap(Chars *a, Chars *b);

/*
 * NFD and NFC with data of Unicode 9. Origins follow the library's alignment: what a composition swallowed is forgotten, and
 * after a reordering origins stay in their places. scratch is overwritten.
 */
void chars_nfd(Chars *s, Chars *scratch);
void chars_nfc(Chars *s, Chars *scratch);

#endif
