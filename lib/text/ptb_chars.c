/* Characters and their classes for ptb.c. */
#include "text/ptb_chars.h"

#include <string.h>

#include "base/utf8.h"

static PtbClass class_of(uint32_t code)
{
    size_t low = 0, high = ptb_n_ranges;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (code > ptb_ranges[middle].last)
            low = middle + 1;
        else
            high = middle;
    }
    return low < ptb_n_ranges && code >= ptb_ranges[low].first ? (PtbClass)ptb_ranges[low].kind : PTB_DROPPED;
}

typedef struct Entity {
    const char *name;
    uint32_t code;
} Entity;
static const Entity entities[] = {{"&amp;", '&'},      {"&apos;", PTB_ENTITY}, {"&gt;", PTB_GREATER}, {"&lt;", PTB_LESS},
                                  {"&mdash;", 0x2014}, {"&nbsp;", 0xA0},       {"&ndash;", 0x2013},   {"&quot;", '"'}};

static void push(PtbText *t, uint32_t code)
{
    bool sign = code == PTB_LESS || code == PTB_GREATER || code == PTB_ENTITY;
    t->code[t->n] = code;
    t->kind[t->n++] = (uint8_t)(sign ? PTB_SYMBOL : code == 0xAD ? PTB_MODIFIER : class_of(code));
}

/* Bytes of the entity that the text begins with; 0 for none. */
static size_t entity_size(Slice text, uint32_t *code)
{
    for (size_t i = 0; i < sizeof entities / sizeof *entities; i++) {
        size_t size = strlen(entities[i].name);
        if (text.size < size)
            continue;
        size_t same = 0;
        while (same < size && (text.data[same] | 0x20) == (entities[i].name[same] | 0x20))
            same++;
        *code = entities[i].code;
        if (same == size)
            return size;
    }
    return 0;
}

PtbText ptb_decode(Slice text, Arena *arena)
{
    PtbText t = {arena_alloc(arena, (text.size + 1) * sizeof *t.code), arena_alloc(arena, text.size + 1), 0};
    for (size_t i = 0; i < text.size;) {
        int size;
        bool valid;
        uint32_t code = 0;
        size_t taken = text.data[i] == '&' ? entity_size((Slice){text.data + i, text.size - i}, &code) : 0;
        if (taken == 0) {
            code = utf8_decode(text.data + i, text.data + text.size, &size, &valid);
            taken = (size_t)size;
        }
        push(&t, code);
        i += taken;
    }
    return t;
}

uint32_t ptb_at(const PtbText *t, size_t i)
{
    return i < t->n ? t->code[i] : 0;
}

PtbClass ptb_kind(const PtbText *t, size_t i)
{
    return i < t->n ? (PtbClass)t->kind[i] : PTB_DROPPED;
}

bool ptb_is_digit(const PtbText *t, size_t i)
{
    return ptb_kind(t, i) == PTB_DIGIT;
}

bool ptb_is_letter(const PtbText *t, size_t i)
{
    return ptb_kind(t, i) == PTB_LETTER;
}

bool ptb_is_word(const PtbText *t, size_t i)
{
    PtbClass kind = ptb_kind(t, i);
    return kind == PTB_LETTER || kind == PTB_DIGIT || kind == PTB_MODIFIER;
}

bool ptb_is_latin(const PtbText *t, size_t i)
{
    uint32_t lower = ptb_at(t, i) | 0x20;
    return lower >= 'a' && lower <= 'z';
}

bool ptb_is_capital(const PtbText *t, size_t i)
{
    return ptb_at(t, i) >= 'A' && ptb_at(t, i) <= 'Z';
}

size_t ptb_words_end(const PtbText *t, size_t i)
{
    while (ptb_is_word(t, i))
        i++;
    return i;
}

size_t ptb_digits_end(const PtbText *t, size_t i)
{
    while (ptb_is_digit(t, i))
        i++;
    return i;
}

size_t ptb_latin_end(const PtbText *t, size_t i)
{
    while (ptb_is_latin(t, i))
        i++;
    return i;
}

bool ptb_says(const PtbText *t, size_t i, const char *lower)
{
    for (; *lower; lower++, i++) {
        uint32_t c = ptb_at(t, i);
        if (c >= 'A' && c <= 'Z')
            c |= 0x20;
        if (*lower == '\'' && ptb_is_apostrophe(t, i))
            continue;
        if (c != (unsigned char)*lower)
            return false;
    }
    return true;
}

bool ptb_is_apostrophe(const PtbText *t, size_t i)
{
    uint32_t c = ptb_at(t, i);
    return c == '\'' || c == 0x2019 || c == 0x92 || c == PTB_ENTITY;
}

bool ptb_is_grave(const PtbText *t, size_t i)
{
    uint32_t c = ptb_at(t, i);
    return c == '`' || c == 0x2018 || c == 0x201B || c == 0x91;
}

bool ptb_among(const PtbText *t, size_t i, const char *set)
{
    uint32_t c = ptb_at(t, i);
    return c > 0 && c < 0x80 && strchr(set, (int)c) != NULL;
}
