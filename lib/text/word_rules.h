/* What WordRules are made of, for words.c and word_lists.c alone. */
#ifndef TEXT_WORD_RULES_H
#define TEXT_WORD_RULES_H

#include <string.h>

#include "base/hash.h"
#include "text/automaton.h"
#include "text/unicode/unicode.h"
#include "text/words.h"

/* A phrase with single spaces; size code points. */
typedef struct Phrase {
    uint32_t *codes;
    size_t size;
} Phrase;

/* A case-folded word; size 0 is an empty slot. */
typedef struct Folded {
    const uint32_t *codes;
    size_t size;
} Folded;

struct WordRules {
    Arena arena; /* holds all but the automaton */
    Phrase *phrases;
    size_t n_phrases;
    Automaton *automaton; /* owned */
    Folded *exempt;       /* hash table, [exempt_mask + 1] */
    size_t exempt_mask;
    WordListDigests digests;
};

/* What the automaton sees of a character that is no white space: one symbol for all that may be equal. */
static inline uint32_t symbol_of(uint32_t code)
{
    if (code == 0x2019)
        return '\'';
    if (code == 'i' || code == 0x130 || code == 0x131)
        return 'I';
    return unicode_to_equal(code);
}

/* Where a word is or would be in a table of mask + 1 slots that is not full. */
static inline Folded *folded_slot(Folded *slots, size_t mask, const Folded *word)
{
    size_t i = hash_id(word->codes, word->size * sizeof *word->codes) & mask;
    while (slots[i].size &&
           (slots[i].size != word->size || memcmp(slots[i].codes, word->codes, word->size * sizeof *word->codes)))
        i = (i + 1) & mask;
    return &slots[i];
}

#endif
