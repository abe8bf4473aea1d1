/*
 * Longest match over a table of rules, as lex and JFlex have it: of all rules that match at a place the one that matches most
 * characters is taken, of several the first of the table. What a rule looks ahead at counts as matched, and is not part of the
 * token.
 *
 * Patterns are regular expressions of UTF-16 units, which are what the lexers that this one is compared with see: a character
 * beyond U+FFFF is two. a (either case, as are İ ı of i, K of k, ſ of s), [a-z] and [^a-z] (as written), . (any unit), {name},
 * (a|b), ab, a?, a*, a+, a{2,4}; a backslash takes the next character as it is. They are the program's own: a mistake in one is a
 * bug.
 *
 * The automaton is made as texts ask for it, and no larger than the rules make it, whatever the texts.
 */
#ifndef TEXT_PTB_LEXER_H
#define TEXT_PTB_LEXER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Units first..last. */
typedef struct LexerRange {
    uint16_t first, last;
} LexerRange;

typedef struct LexerSet {
    const LexerRange *ranges; /* [n], in order, apart from one another */
    size_t n;
} LexerSet;

/* What {name} stands for: a pattern, which may use the names before it, or a set of units. */
typedef struct LexerName {
    const char *name, *pattern;
    const LexerSet *set; /* where pattern is NULL */
} LexerName;

/* A token's pattern, and that of what must follow it, or NULL: the one or the other matches one number of units only. */
typedef struct LexerRule {
    const char *pattern, *ahead;
} LexerRule;

typedef struct Lexer Lexer;

/* The lexer of n_rules > 0 rules; the caller frees it. Not shared between threads. Nothing of the tables is kept. */
Lexer *lexer_new(const LexerName *names, size_t n_names, const LexerRule *rules, size_t n_rules);
void lexer_free(Lexer *l);

/* The rule that matches at the first of n units, and the token's units in *size; -1 where none matches one unit at least. */
int lexer_match(Lexer *l, const uint16_t *units, size_t n, size_t *size);

#endif
