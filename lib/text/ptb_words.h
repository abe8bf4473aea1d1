/* Words, as ptb.c finds them. Each function says where the longest thing of its kind at i ends; i for none. */
#ifndef TEXT_PTB_WORDS_H
#define TEXT_PTB_WORDS_H

#include "text/ptb_chars.h"

/*
 * A word: letters and digits, joined by hyphens, slashes and underscores ("snow-covered", "and/or"), with an apostrophe inside
 * where names and short forms have one ("O'Brien", "o'clock", "ma'am"), or joined by a full stop without a space ("end.Next").
 */
size_t ptb_word_end(const PtbText *t, size_t i);

/* How much of the word i..end stands before an ending: "is" of "isn't", "dog" of "dog's", "can" of "cannot"; `end` where it
 * stands. */
size_t ptb_stem_end(const PtbText *t, size_t i, size_t end);

/* Whether start..end is an ending: its apostrophe is a straight one. */
bool ptb_is_ending(const PtbText *t, size_t start, size_t end);

/* What begins with an apostrophe: "'s", "'em", "'90s", "'tis" up to its "'t"; behind n'. */
size_t ptb_short_end(const PtbText *t, size_t i);

/* Initials and abbreviations with their full stops: "U.S.", "a.m.", "J.", "Mr."; a hyphen may go on ("U.S.-led"). */
size_t ptb_initials_end(const PtbText *t, size_t i);
size_t ptb_abbreviation_end(const PtbText *t, size_t i);

#endif
