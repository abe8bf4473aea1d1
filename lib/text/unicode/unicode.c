/* Look-ups in the tables of unicode_data.c, and UTF-8. The normal forms are in unicode_normal.c. */
#include "text/unicode/unicode.h"

#include <stdlib.h>

#include "text/unicode/unicode_data.h"

/* The last row whose start is not above code. */
static unsigned range_value(const UnicodeRange *rows, size_t n, uint32_t code)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (rows[middle].start <= code)
            low = middle;
        else
            high = middle;
    }
    return rows[low].value;
}

unsigned unicode_flags(uint32_t code)
{
    /* ASCII is most of all text: its rows of unicode_ranges, spelled out (test_tokenizer compares the two). */
    enum { CONTROL = UNICODE_BERT_DROP, BLANK = UNICODE_SPACE, DROPPED = BLANK | CONTROL, SIGN = UNICODE_BERT_PUNCT };
    enum { DIGIT = UNICODE_NUMBER | UNICODE_WORD, ALPHA = UNICODE_LETTER | UNICODE_WORD };
    if (code >= 128)
        return range_value(unicode_ranges, unicode_n_ranges, code);
    if ((code | 32) - 'a' < 26)
        return ALPHA;
    if (code - '0' < 10)
        return DIGIT;
    if (code == ' ' || code == '\t' || code == '\n' || code == '\r')
        return BLANK;
    if (code == '\v' || code == '\f')
        return DROPPED;
    return code < 32 || code == 127 ? CONTROL : SIGN;
}

static uint32_t mapped(const UnicodeMapping *rows, size_t n, uint32_t code)
{
    size_t low = 0, high = n;
    while (high - low > 1) {
        size_t middle = (low + high) / 2;
        if (rows[middle].first <= code)
            low = middle;
        else
            high = middle;
    }
    const UnicodeMapping *r = &rows[low];
    bool inside = code >= r->first && code <= r->last && (code - r->first) % (uint32_t)r->stride == 0;
    return inside ? (uint32_t)((int32_t)code + r->delta) : code;
}

uint32_t unicode_to_lower(uint32_t code)
{
    if (code < 128)
        return code - 'A' < 26 ? code + 32 : code;
    return mapped(unicode_lower, unicode_n_lower, code);
}

uint32_t unicode_to_equal(uint32_t code)
{
    if (code < 128)
        return code - 'a' < 26 && code != 'i' ? code - 32 : code;
    return mapped(unicode_equal, unicode_n_equal, code);
}

static int compare_expansions(const void *key, const void *row)
{
    uint32_t code = *(const uint32_t *)key, other = ((const UnicodeExpansion *)row)->code;
    return (code > other) - (code < other);
}

int unicode_to_fold(uint32_t out[3], uint32_t code)
{
    const UnicodeExpansion *e = NULL;
    if (code >= 128)
        e = bsearch(&code, unicode_expansions, unicode_n_expansions, sizeof *e, compare_expansions);
    if (!e) {
        out[0] = code < 128 ? unicode_to_lower(code) : mapped(unicode_casefold, unicode_n_casefold, code);
        return 1;
    }
    int n = 0;
    while (n < 3 && e->to[n]) {
        out[n] = e->to[n];
        n++;
    }
    return n;
}

void chars_release(Chars *s)
{
    free(s->code);
    free(s->origin);
    *s = (Chars){0};
}

void chars_push(Chars *s, uint32_t code, uint32_t origin)
{
    if (s->n == s->capacity) {
        s->capacity = s->capacity ? 2 * s->capacity : 256;
        s->code = xrealloc(s->code, s->capacity, sizeof *s->code);
        s->origin = xrealloc(s->origin, s->capacity, sizeof *s->origin);
    }
    s->code[s->n] = code;
    s->origin[s->n++] = origin;
}

void chars_swap(Chars *a, Chars *b)
{
    const Chars swapped = *a;
    *a = *b;
    *b = swapped;
}
