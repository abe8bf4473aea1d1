/*
 * The steps between a text and its ids: splitting, BPE, WordPiece. Internal to lib/text.
 */
#ifndef TEXT_PIECES_H
#define TEXT_PIECES_H

#include "text/tokenizer.h"
#include "text/unicode/unicode.h"
#include "text/vocab.h"

/* Tokens while they are made: ranges are in characters of the input. */
typedef struct TokenList {
    int32_t *ids; /* owned, as chars */
    TextRange *chars;
    size_t n, capacity;
} TokenList;

/* Appends an id that stands for the characters first .. last of the text. */
void token_list_push(TokenList *list, int32_t id, size_t first, size_t last);
void token_list_release(TokenList *list);

/* The next piece of OPT's (GPT-2's) pattern from *at on; false at the end. Every character is in exactly one piece. */
bool split_opt(TextRange *piece, const Chars *s, size_t *at);

/* The same for CLIP's pattern; white space is in no piece. *closing is 0 at first: the place of an open special token's "|>". */
bool split_clip(TextRange *piece, const Chars *s, size_t *at, size_t *closing);

/* The same for Llama 3's (three digits at most in a piece) and Qwen2's (one), and for SmolLM2's. */
bool split_llama(TextRange *piece, const Chars *s, size_t *at, size_t most_digits);
bool split_digits(TextRange *piece, const Chars *s, size_t *at);

enum { SPACE_MARK = 0x2581 }; /* that stands for a space in SentencePiece's rows */

/* The steps of a unigram tokenizer (v->steps), one after the other. */
void normalize_steps(Chars *s, Chars *scratch, const Vocab *v);

/* A piece of such a text as rows, appended to out; longest: bytes of the longest name. */
void unigram_encode(TokenList *out, const Vocab *v, const Chars *s, TextRange piece, int32_t unknown, size_t longest);

/* A text as SentencePiece's BPE reads it: spaces as U+2581, and one in front as v->front says. first: nothing is before it. */
void normalize_sentencepiece(Chars *s, Chars *scratch, const Vocab *v, bool first);

/* CLIP's normal form: NFC, lower case. White space is left to the splitting. */
void normalize_clip(Chars *s, Chars *scratch);

/* BERT's: clean, spaces around CJK, and unless cased NFD without marks and lower case. */
void normalize_bert(Chars *s, Chars *scratch, bool cased);

/* The BPE of one vocabulary, with a cache of short pieces. */
typedef struct Bpe Bpe;
Bpe *bpe_new(const Vocab *v);
void bpe_free(Bpe *b);
/* Bytes of the words that it remembers, once there have been many; NULL: 0. */
size_t bpe_memory(const Bpe *b);

/* The piece of s as ids, appended to out with the origins of its characters. */
void bpe_encode(Bpe *b, TokenList *out, const Vocab *v, const Chars *s, TextRange piece);

/* GPT-2's alphabet: the byte that a character of a name stands for, or -1; and the character of a byte. */
int byte_of_character(uint32_t code);
uint32_t character_of_byte(uint8_t byte);

/* All words of a normalised text, appended to out. unknown is the id of [UNK]; longest the size of the longest name in bytes. */
void wordpiece_encode(TokenList *out, const Vocab *v, const Chars *s, int32_t unknown, size_t longest);

#endif
