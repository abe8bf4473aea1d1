/* Words and n-grams as hashes; see grams.h. */
#include "eval/grams.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/utf8.h"
#include "text/unicode/unicode.h"

/* ---- words ---- */

static bool is_plain(Slice s)
{
    for (size_t i = 0; i < s.size; i++)
        if ((unsigned char)s.data[i] >= 0x80 || (unsigned char)s.data[i] < ' ')
            return false;
    return true;
}

/* Python's str.split: White_Space and U+001C .. U+001F. */
static bool splits(uint32_t code)
{
    return (unicode_flags(code) & UNICODE_SPACE) || (code >= 0x1C && code <= 0x1F);
}

Slice words_text(Slice tokenized, Arena *arena)
{
    const char *p = tokenized.data, *end = p + tokenized.size;
    if (is_plain(tokenized))
        return tokenized;
    char *out = arena_alloc(arena, tokenized.size + 1);
    size_t n = 0;
    while (p < end) {
        int size;
        bool valid, space = splits(utf8_decode(p, end, &size, &valid));
        if (!space)
            memcpy(out + n, p, (size_t)size);
        else if (n > 0 && out[n - 1] != ' ')
            out[n] = ' ';
        n += space ? n > 0 && out[n - 1] != ' ' : (size_t)size;
        p += size;
    }
    return (Slice){out, n - (n > 0 && out[n - 1] == ' ')};
}

/* Hashes of what stands between spaces: of "" one. */
static size_t hash_pieces(uint64_t *out, Slice text)
{
    const char *p = text.data, *end = p + text.size;
    size_t n = 0;
    for (;;) {
        const char *space = memchr(p, ' ', (size_t)(end - p));
        out[n++] = hash_id(p, (size_t)((space ? space : end) - p));
        if (!space)
            return n;
        p = space + 1;
    }
}

Words words_of(Slice tokenized, Arena *arena)
{
    uint64_t *tokens = arena_alloc(arena, (tokenized.size / 2 + 2) * sizeof *tokens), *words = tokens;
    size_t n_tokens = hash_pieces(tokens, tokenized), n = n_tokens;
    Slice text = words_text(tokenized, arena);
    if (text.data != tokenized.data) {
        words = arena_alloc(arena, (text.size / 2 + 2) * sizeof *words);
        n = hash_pieces(words, text);
    }
    return (Words){words, text.size > 0 ? n : 0, tokens, n_tokens};
}

/* ---- n-grams ---- */

uint64_t gram_hash(const uint64_t *words, size_t order)
{
    return hash_id(words, (order + 1) * sizeof *words);
}

int gram_compare(const void *a, const void *b)
{
    const Gram *x = a, *y = b;
    int order = (x->order > y->order) - (x->order < y->order);
    return order ? order : (x->hash > y->hash) - (x->hash < y->hash);
}

size_t grams_of(Gram *out, const Words *words)
{
    size_t n = 0, kept = 0;
    for (size_t k = 0; k < GRAM_ORDERS; k++)
        for (size_t i = 0; i + k < words->n; i++)
            out[n++] = (Gram){gram_hash(words->words + i, k), (uint32_t)k, 1};
    qsort(out, n, sizeof *out, gram_compare);
    for (size_t i = 0; i < n; i++) {
        if (kept > 0 && gram_compare(&out[kept - 1], &out[i]) == 0)
            out[kept - 1].count++;
        else
            out[kept++] = out[i];
    }
    return kept;
}

Gram *grams_new(const Words *words, size_t *n, Arena *arena)
{
    Gram *grams = arena_alloc(arena, (GRAM_ORDERS * words->n + 1) * sizeof *grams);
    *n = grams_of(grams, words);
    return grams;
}
