/* The kinds of tokens of ptb.c: how each looks, and how it is written. */
#ifndef TEXT_PTB_PTB_RULES_H
#define TEXT_PTB_PTB_RULES_H

#include "text/ptb/lexer.h"

typedef enum PtbWrite {
    PTB_AS_IS,  /* lower case, as all are */
    PTB_JOINED, /* without soft hyphens */
    PTB_QUOTED, /* quotes of print are ` and ', `` and '' */
    PTB_BOUND,  /* a space is a no-break space */
    PTB_ROUND,  /* so it is, and ( ) are -lrb- -rrb- */
    PTB_AND     /* &amp; is & */
} PtbWrite;

typedef struct PtbRule {
    const char *looks, *before; /* the patterns of a token and of what must follow it, or NULL: lexer.h */
    PtbWrite write;
    const char *as; /* what it is written as, if not as it looks; "" is no token */
    size_t back;    /* so many of its last units begin the next token */
} PtbRule;
extern const PtbRule ptb_rules[];
extern const size_t ptb_n_rules;

/* What the patterns name. */
extern const LexerName ptb_names[];
extern const size_t ptb_n_names;

/* Characters as the tokenizer takes them (ptb_data.c), found by asking it: make_ptb_data.py says how. */
extern const LexerSet ptb_letters; /* part of words, whatever is beside them: of any script, superscript letters too */
extern const LexerSet ptb_marks;   /* part of words, not beside a hyphen */
extern const LexerSet ptb_digits;
extern const LexerSet ptb_symbols; /* tokens by themselves */

#endif
