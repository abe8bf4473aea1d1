/*
 * BERT's way: clean, lower-case, split into words and punctuation, then the longest matches from the left (Wu et al. 2016).
 */
#include "base/utf8.h"
#include "text/pieces.h"

#include <string.h>

enum { LONGEST_WORD = 100 }; /* in code points; a longer word is unknown */

/* Steps 1 to 3: drop controls, white space becomes a space, ideographs stand alone. */
static void clean(Chars *out, const Chars *s)
{
    out->n = 0;
    for (size_t i = 0; i < s->n; i++) {
        unsigned flags = unicode_flags(s->code[i]);
        if (flags & UNICODE_BERT_DROP)
            continue;
        if (flags & UNICODE_BERT_CJK)
            chars_push(out, ' ', s->origin[i]);
        chars_push(out, flags & UNICODE_SPACE ? ' ' : s->code[i], s->origin[i]);
        if (flags & UNICODE_BERT_CJK)
            chars_push(out, ' ', s->origin[i]);
    }
}

void normalize_bert(Chars *s, Chars *scratch, bool cased)
{
    size_t n = 0;
    clean(scratch, s);
    chars_swap(s, scratch);
    if (cased)
        return;
    chars_nfd(s, scratch);
    for (size_t i = 0; i < s->n; i++) {
        if (unicode_flags(s->code[i]) & UNICODE_BERT_MARK)
            continue;
        s->code[n] = unicode_to_lower(s->code[i]);
        s->origin[n++] = s->origin[i];
    }
    s->n = n;
}

/* The longest name that begins at text[start]; -1 for none. */
static int32_t longest_match(size_t *end, const Vocab *v, const char *text, const size_t *at, size_t start, size_t n,
                             size_t longest)
{
    char name[4 * LONGEST_WORD + 2] = "##";
    size_t prefix = start ? 2 : 0;
    for (*end = n; *end > start; --*end) {
        size_t size = at[*end] - at[start];
        if (size + prefix > longest)
            continue;
        memcpy(name + prefix, text + at[start], size);
        int32_t id = vocab_find(v, (Slice){name, prefix + size});
        if (id >= 0)
            return id;
    }
    return -1;
}

static void encode_word(TokenList *out, const Vocab *v, const Chars *s, TextRange word, int32_t unknown, size_t longest)
{
    char text[4 * LONGEST_WORD];
    size_t at[LONGEST_WORD + 1] = {0}, n = word.end - word.start, before = out->n;
    for (size_t i = 0; i < n && n <= LONGEST_WORD; i++)
        at[i + 1] = at[i] + (size_t)utf8_encode(text + at[i], s->code[word.start + i]);
    for (size_t start = 0, end = 0; start < n; start = end) {
        int32_t id = n <= LONGEST_WORD ? longest_match(&end, v, text, at, start, n, longest) : -1;
        if (id < 0) {
            out->n = before;
            token_list_push(out, unknown, s->origin[word.start], s->origin[word.end - 1]);
            return;
        }
        token_list_push(out, id, s->origin[word.start + start], s->origin[word.start + end - 1]);
    }
}

void wordpiece_encode(TokenList *out, const Vocab *v, const Chars *s, int32_t unknown, size_t longest)
{
    for (size_t i = 0; i < s->n;) {
        size_t end = i + 1;
        unsigned flags = unicode_flags(s->code[i]);
        if (flags & UNICODE_SPACE) {
            i = end;
            continue;
        }
        while (!(flags & UNICODE_BERT_PUNCT) && end < s->n &&
               !(unicode_flags(s->code[end]) & (UNICODE_BERT_PUNCT | UNICODE_SPACE)))
            end++;
        encode_word(out, v, s, (TextRange){i, end}, unknown, longest);
        i = end;
    }
}
