/*
 * The word rules of the reward (paper, section 3.4 and Table 1): bad phrases, years, repeated words, token by token.
 *
 *   bad     a token with a byte inside a match of a bad phrase or of a year. Phrases: letters compared without case (regex's
 *           IGNORECASE), a run of white space counts as one space, ' and U+2019 as the same, no letter, mark or digit directly
 *           before or after; matches may overlap. Year: exactly four ASCII digits, no ASCII digit beside them.
 *   repeat  a token with a byte inside a word that stood earlier in the text, case-folded, unless the word is exempt. Words are
 *           [\p{L}\p{M}\p{N}]+(['’-][\p{L}\p{M}\p{N}]+)*.
 *
 * Rules are read-only once made: threads may share them. A token counts once however many matches it lies in. A token without
 * bytes counts if it stands strictly inside a match.
 */
#ifndef TEXT_WORDS_H
#define TEXT_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/msg.h"
#include "text/tokenizer.h"

typedef struct WordRules WordRules;

typedef enum WordRule {
    WORD_BAD,    /* a phrase of the list */
    WORD_YEAR,   /* four digits; it marks `bad` */
    WORD_REPEAT, /* a word that stood before */
    WORD_GOOD,   /* a phrase of a list of those that are wished for */
} WordRule;

/* "bad", "year", "repeat", "good". */
const char *word_rule_name(WordRule rule);

/* One match. */
typedef struct WordFired {
    WordRule rule;
    Slice text;        /* as it stands in the caption, into its `whole` */
    size_t start, end; /* the tokens it marks */
} WordFired;

typedef struct WordMarks {
    uint8_t *bad, *repeat; /* [count], 0 or 1 for each token */
    uint8_t *good;         /* the same; NULL where nobody has asked (word_gains_apply) */
    size_t count;
    WordFired *fired; /* [n_fired], by place in the text, then by length; those of what is good behind the others */
    size_t n_fired;
} WordMarks;

/*
 * Rules from list files: one phrase or word a line, '#' at the start of a line begins a comment, empty lines are skipped, white
 * space at both ends is dropped. A path may be NULL for an empty list. NULL with err naming file and line for what is no list:
 * invalid UTF-8, control characters, a file that cannot be read. The caller frees the rules.
 */
WordRules *word_rules_open(const char *phrases_path, const char *exempt_path, Error *err);

/* The same from strings: each is one phrase or word, UTF-8, with something in it besides white space. */
WordRules *word_rules_new(const Slice *phrases, size_t n_phrases, const Slice *exempt, size_t n_exempt, Error *err);

/* Of the bytes of the files that word_rules_open has read; 0 for none. */
typedef struct WordListDigests {
    uint64_t phrases, exempt;
} WordListDigests;
WordListDigests word_rules_digests(const WordRules *rules);

/* NULL is fine. */
void word_rules_free(WordRules *rules);

/* Marks the tokens of a caption (tokenizer_caption). All of out is in the arena. Never fails. */
void word_rules_apply(WordMarks *out, Arena *arena, const WordRules *rules, const CaptionText *caption);

/*
 * Marks what is good too, behind word_rules_apply: tokens of the phrases of `gains`, each phrase where it first stands in the
 * caption, so that to say it again gains nothing. Years and repeated words are no business of it.
 */
void word_gains_apply(WordMarks *out, Arena *arena, const WordRules *gains, const CaptionText *caption);

#endif
