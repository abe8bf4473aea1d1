/* A text on its way through ptb.c: its characters with their classes, and questions about them that never run over its ends. */
#ifndef TEXT_PTB_CHARS_H
#define TEXT_PTB_CHARS_H

#include <stdbool.h>

#include "base/memory.h"
#include "base/slice.h"
#include "text/ptb_data.h"

/* &lt;, &gt; and &apos;: signs, never part of a tag or quote. */
enum { PTB_LESS = 0xE000, PTB_GREATER = 0xE001, PTB_ENTITY = 0xE002 };

typedef struct PtbText {
    uint32_t *code; /* [n], in the arena, as are the kinds */
    uint8_t *kind;  /* PtbClass */
    size_t n;
} PtbText;

/* The characters of a UTF-8 text: entities of HTML that the tokenizer knows are what they stand for. */
PtbText ptb_decode(Slice text, Arena *arena);

/* The character, or its class, at i; 0 and PTB_DROPPED behind the end. */
uint32_t ptb_at(const PtbText *t, size_t i);
PtbClass ptb_kind(const PtbText *t, size_t i);

bool ptb_is_digit(const PtbText *t, size_t i);
/* Of any script; modifiers are not among them. */
bool ptb_is_letter(const PtbText *t, size_t i);
/* A letter, digit or modifier. */
bool ptb_is_word(const PtbText *t, size_t i);
/* a..z, A..Z. */
bool ptb_is_latin(const PtbText *t, size_t i);
bool ptb_is_capital(const PtbText *t, size_t i);

/* Where the run of word characters, digits or Latin letters at i ends. */
size_t ptb_words_end(const PtbText *t, size_t i);
size_t ptb_digits_end(const PtbText *t, size_t i);
size_t ptb_latin_end(const PtbText *t, size_t i);

/* Whether i..i+strlen(lower) is this ASCII text, in any case, with any apostrophes. */
bool ptb_says(const PtbText *t, size_t i, const char *lower);

/* Whether an apostrophe is at i, straight or of print; whether the other single quote is, which opens. */
bool ptb_is_apostrophe(const PtbText *t, size_t i);
bool ptb_is_grave(const PtbText *t, size_t i);

/* Whether the character at i is one of these. */
bool ptb_among(const PtbText *t, size_t i, const char *set);

#endif
