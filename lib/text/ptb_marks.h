/* What is no word: numbers, addresses, tags, faces, runs of marks. Each function says where the longest at i ends; i for none. */
#ifndef TEXT_PTB_MARKS_H
#define TEXT_PTB_MARKS_H

#include "text/ptb_chars.h"

/* 3, -3.5, 10,000, 12:30, .5, 1-1/2; "2 1/2" and "(212) 555-1234" with their spaces, which come out as U+00A0. */
size_t ptb_number_end(const PtbText *t, size_t i);

/* Addresses of the web and of mail, @name, #tag. */
size_t ptb_address_end(const PtbText *t, size_t i);

/* <b>, </b>, <a href="x">, with its spaces, which come out as U+00A0; &eacute; and &#39;. */
size_t ptb_tag_end(const PtbText *t, size_t i);

/* :-) and its like, ^_^, (^_^). */
size_t ptb_face_end(const PtbText *t, size_t i);

/* Quotes but the straight ones. */
bool ptb_is_quote(const PtbText *t, size_t i);

/* Marks that make one token together: ?!, **, ##, --, <<, quotes; C++, c#, US$. */
size_t ptb_run_end(const PtbText *t, size_t i);

#endif
