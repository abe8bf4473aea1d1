/*
 * The splits of later byte-level BPEs, written out as scanners as split.c does:
 *
 *   Llama 3   (?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+
 *   Qwen2     the same with \p{N} for \p{N}{1,3}
 *   SmolLM2   each \p{N} alone; GPT-2's between them, as if the text ended there
 */
#include "text/pieces.h"

static unsigned class_at(const Chars *s, size_t i)
{
    return i < s->n ? unicode_flags(s->code[i]) & (UNICODE_LETTER | UNICODE_NUMBER | UNICODE_SPACE) : 0;
}

static bool is_line_end(const Chars *s, size_t i)
{
    return i < s->n && (s->code[i] == '\r' || s->code[i] == '\n');
}

/* Without case, as the regular expression's (?i): U+017F is an s. */
static uint32_t folded(const Chars *s, size_t i)
{
    uint32_t c = i < s->n ? s->code[i] : 0;
    return c >= 'A' && c <= 'Z' ? c - 'A' + 'a' : c == 0x17F ? 's' : c;
}

/* The end of a contraction at i; i for none. */
static size_t contraction_end(const Chars *s, size_t i)
{
    if (s->code[i] != '\'')
        return i;
    uint32_t a = folded(s, i + 1), b = folded(s, i + 2);
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return i + 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? i + 3 : i;
}

/* The end of the run of this class from i on. */
static size_t class_end(const Chars *s, size_t i, unsigned class)
{
    while (i < s->n && class_at(s, i) == class)
        i++;
    return i;
}

/* From white space on: up to its last line end; or all but the last, which is left for what follows; or all. */
static size_t space_end(const Chars *s, size_t i)
{
    size_t end = class_end(s, i, UNICODE_SPACE), line = end;
    while (line > i && !is_line_end(s, line - 1))
        line--;
    if (line > i)
        return line;
    return end < s->n && end - i > 1 ? end - 1 : end;
}

bool split_llama(TextRange *piece, const Chars *s, size_t *at, size_t most_digits)
{
    size_t i = *at;
    if (i >= s->n)
        return false;
    const unsigned class = class_at(s, i);
    size_t end = contraction_end(s, i),
           letters = i + (class == UNICODE_LETTER || is_line_end(s, i) || class == UNICODE_NUMBER ? 0 : 1);
    if (end > i) {
        /* that is it */
    } else if (class_at(s, letters) == UNICODE_LETTER) {
        end = class_end(s, letters, UNICODE_LETTER);
    } else if (class == UNICODE_NUMBER) {
        end = class_end(s, i, UNICODE_NUMBER);
        end = end - i > most_digits ? i + most_digits : end;
    } else if (class == 0 || (s->code[i] == ' ' && i + 1 < s->n && class_at(s, i + 1) == 0)) {
        end = class_end(s, i + (class != 0), 0);
        while (is_line_end(s, end))
            end++;
    } else {
        end = space_end(s, i);
    }
    *piece = (TextRange){i, end};
    *at = end;
    return true;
}

bool split_digits(TextRange *piece, const Chars *s, size_t *at)
{
    size_t i = *at, end = i;
    if (i >= s->n)
        return false;
    if (class_at(s, i) == UNICODE_NUMBER) {
        *piece = (TextRange){i, i + 1};
        *at = i + 1;
        return true;
    }
    while (end < s->n && class_at(s, end) != UNICODE_NUMBER)
        end++;
    Chars part = *s; /* up to the next digit */
    part.n = end;
    return split_opt(piece, &part, at);
}

void normalize_sentencepiece(Chars *s, Chars *scratch, const Vocab *v, bool first)
{
    bool begins = s->n > 0 && (s->code[0] == ' ' || s->code[0] == SPACE_MARK);
    bool front =
        v->front == FRONT_ALWAYS || (v->front == FRONT_UNLESS && !begins) || (v->front == FRONT_FIRST && first && !begins);
    scratch->n = 0;
    if (front && s->n > 0)
        chars_push(scratch, SPACE_MARK, s->origin[0]);
    for (size_t i = 0; i < s->n; i++)
        chars_push(scratch, s->code[i] == ' ' ? SPACE_MARK : s->code[i], s->origin[i]);
    chars_swap(s, scratch);
}
