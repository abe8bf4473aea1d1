/*
 * How texts are cut into pieces before BPE: the patterns of GPT-2 (OPT) and CLIP, written out as scanners.
 *
 *   OPT   's|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+
 *   CLIP  <\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+
 *
 * Not PCRE2: its classes are those of the system's Unicode version, these are Unicode 16's.
 */
#include "text/pieces.h"

#include <stdlib.h>

enum { CLASSES = UNICODE_LETTER | UNICODE_NUMBER | UNICODE_SPACE };

static unsigned class_of(const Chars *s, size_t i)
{
    return unicode_flags(s->code[i]) & CLASSES;
}

/* The end of the run of characters of the class of the one at i. */
static size_t run_end(const Chars *s, size_t i)
{
    unsigned class = class_of(s, i);
    while (++i < s->n && class_of(s, i) == class)
        continue;
    return i;
}

/* How many characters the contraction at i has; 0 for none. */
static size_t contraction(const Chars *s, size_t i)
{
    if (s->code[i] != '\'' || i + 1 >= s->n)
        return 0;
    uint32_t a = s->code[i + 1], b = i + 2 < s->n ? s->code[i + 2] : 0;
    if (a == 's' || a == 't' || a == 'm' || a == 'd')
        return 2;
    return (a == 'r' && b == 'e') || (a == 'v' && b == 'e') || (a == 'l' && b == 'l') ? 3 : 0;
}

bool split_opt(TextRange *piece, const Chars *s, size_t *at)
{
    size_t i = *at;
    if (i >= s->n)
        return false;
    size_t end = i + contraction(s, i);
    if (end == i) {
        bool joins = s->code[i] == ' ' && i + 1 < s->n && class_of(s, i + 1) != UNICODE_SPACE;
        end = run_end(s, i + joins);
        if (!joins && class_of(s, i) == UNICODE_SPACE && end < s->n && end - i > 1)
            end--; /* \s+(?!\S): the last one is left for what follows */
    }
    *piece = (TextRange){i, end};
    *at = end;
    return true;
}

static bool stands_at(const Chars *s, size_t i, const char *ascii)
{
    for (; *ascii; ascii++, i++)
        if (i >= s->n || s->code[i] != (uint32_t)*ascii)
            return false;
    return true;
}

/* <|startoftext|> and <|endoftext|>, which are cut once more into "<|", the letters and "|>". */
static size_t bracketed(const Chars *s, size_t i)
{
    return stands_at(s, i, "<|startoftext|>") ? 15 : stands_at(s, i, "<|endoftext|>") ? 13 : 0;
}

bool split_clip(TextRange *piece, const Chars *s, size_t *at, size_t *closing)
{
    size_t i = *at;
    while (i < s->n && class_of(s, i) == UNICODE_SPACE)
        i++;
    if (i >= s->n)
        return false;
    size_t end = i + contraction(s, i), special = bracketed(s, i);
    if (special) {
        end = i + 2;
        *closing = i + special - 2;
    } else if (i == *closing && i > 0) {
        end = i + 2;
    } else if (end == i) {
        end = class_of(s, i) == UNICODE_NUMBER ? i + 1 : run_end(s, i);
    }
    *piece = (TextRange){i, end};
    *at = end;
    return true;
}

void normalize_clip(Chars *s, Chars *scratch)
{
    chars_nfc(s, scratch);
    scratch->n = 0;
    bool same_length = true;
    for (size_t i = 0; i < s->n; i++)
        same_length &= s->code[i] != 0x130;
    if (same_length) {
        for (size_t i = 0; i < s->n; i++)
            s->code[i] = unicode_to_lower(s->code[i]);
        return;
    }
    for (size_t i = 0; i < s->n; i++) {
        bool dotted = s->code[i] == 0x130;
        chars_push(scratch, dotted ? 'i' : unicode_to_lower(s->code[i]), s->origin[i]);
        if (dotted)
            chars_push(scratch, 0x307, s->origin[i]);
    }
    chars_swap(s, scratch);
}

void token_list_push(TokenList *list, int32_t id, size_t first, size_t last)
{
    if (list->n == list->capacity) {
        list->capacity = list->capacity ? 2 * list->capacity : 64;
        list->ids = xrealloc(list->ids, list->capacity, sizeof *list->ids);
        list->chars = xrealloc(list->chars, list->capacity, sizeof *list->chars);
    }
    list->ids[list->n] = id;
    list->chars[list->n++] = (TextRange){first, last + 1};
}

void token_list_release(TokenList *list)
{
    free(list->ids);
    free(list->chars);
    *list = (TokenList){0};
}
