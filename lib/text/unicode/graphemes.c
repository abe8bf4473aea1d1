/* Grapheme clusters; see graphemes.h. */
#include "text/unicode/graphemes.h"

#include <stdbool.h>

enum { SYLLABLES = 0xAC00, SYLLABLES_END = 0xD7A4, TRAILING = 28 };

static GraphemeClass class_of(uint32_t code)
{
    size_t low = 0, high = grapheme_n_ranges;
    if (code >= ' ' && code < 0x7F)
        return GRAPHEME_OTHER;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (grapheme_ranges[middle].start <= code)
            low = middle;
        else
            high = middle;
    }
    return (GraphemeClass)grapheme_ranges[low].class;
}

static bool is_syllable(uint32_t code)
{
    return code >= SYLLABLES && code < SYLLABLES_END;
}

/* Hangul, rules 6 to 8: a syllable without trailing consonant is as its vowel, one with as that. */
static bool joins_hangul(uint32_t a, GraphemeClass left, uint32_t b, GraphemeClass right)
{
    if (is_syllable(a))
        left = (a - SYLLABLES) % TRAILING == 0 ? GRAPHEME_V : GRAPHEME_T;
    if (left == GRAPHEME_L)
        return right == GRAPHEME_L || right == GRAPHEME_V || is_syllable(b);
    return (left == GRAPHEME_V && (right == GRAPHEME_V || right == GRAPHEME_T)) || (left == GRAPHEME_T && right == GRAPHEME_T);
}

static bool joins(uint32_t a, uint32_t b)
{
    const GraphemeClass left = class_of(a), right = class_of(b);
    if (left == GRAPHEME_CONTROL || right == GRAPHEME_CONTROL)
        return a == '\r' && b == '\n';
    return right == GRAPHEME_JOINS || left == GRAPHEME_PREPENDS || joins_hangul(a, left, b, right);
}

size_t grapheme_end(const uint32_t *code, size_t i, size_t n)
{
    while (++i < n && joins(code[i - 1], code[i]))
        continue;
    return i;
}
