/*
 * Tokenizers of the published model families: OPT's byte-level BPE (BLIP-2), CLIP's BPE, BERT's WordPiece (ITM), the byte-level
 * BPEs of Llama 3, SmolLM2 and Qwen2, the SentencePiece BPE of LLaMa-2, Mistral and Vicuna, and SigLIP's unigram model.
 *
 * Ids, offsets and decoded text are those of Hugging Face tokenizers 0.23, to the last character. Text is UTF-8 of any
 * length, zero bytes included; nothing is trimmed or refused but invalid UTF-8. Unicode data are the ones of those
 * libraries (lib/text/unicode/unicode.h), not of the system, so the same text has the same ids on every machine.
 *
 * A Tokenizer is read-only but for a cache of words under a lock: threads may share one. Results lie in the caller's
 * arena and live as long as that.
 */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/memory.h"
#include "base/msg.h"
#include "base/slice.h"

typedef struct Tokenizer Tokenizer;

typedef enum TokenizerKind {
    TOKENIZER_OPT,           /* byte-level BPE, vocab.json + merges.txt */
    TOKENIZER_CLIP,          /* lower-cased BPE with </w>, vocab.json + merges.txt */
    TOKENIZER_BERT,          /* lower-cased WordPiece, vocab.txt */
    TOKENIZER_BYTES,         /* byte-level BPE with a split of its own, tokenizer.json */
    TOKENIZER_SENTENCEPIECE, /* BPE of characters with spaces as U+2581 and unknown ones as bytes, tokenizer.json or
                                tokenizer.model */
    TOKENIZER_UNIGRAM, /* SigLIP's: lower case, no ASCII punctuation, unigram SentencePiece; tokenizer.json or spiece.model */
} TokenizerKind;

/* [start, end). */
typedef struct TextRange {
    size_t start, end;
} TextRange;

/* What a text was cut into; all three arrays have count entries. Inserted special ids have the empty range 0, 0. */
typedef struct Tokens {
    int32_t *ids;
    TextRange *bytes; /* range in the UTF-8 text: whole characters, so ranges of tokens may overlap */
    TextRange *chars; /* the same in characters, as Hugging Face's offsets */
    size_t count;
} Tokens;

/* How to encode; may be combined. */
enum {
    ENCODE_SPECIAL = 1, /* OPT: 2 in front. BERT: [CLS] .. [SEP]. CLIP: <|startoftext|> .. <|endoftext|>. Unigram: </s>
                            behind. Others: bos, if any */
    ENCODE_LITERAL = 2, /* "</s>" in the text is four characters, not the id 2: how captions are read */
};

/*
 * Opens the tokenizer of a model folder: tokenizer.json, or vocab.json and merges.txt, or vocab.txt, or tokenizer.model, or
 * spiece.model, with what tokenizer_config.json, added_tokens.json and config.json beside them say (kind, added tokens). NULL
 * with err set if files are missing, damaged or of another kind. The caller frees it. Opening the real OPT vocabulary takes about
 * 60 ms.
 */
Tokenizer *tokenizer_open(const char *model_dir, Error *err);

/* As tokenizer_open, for a caller that can use one kind only: any other is NULL with STATUS_MISMATCH. */
Tokenizer *tokenizer_open_kind(const char *model_dir, TokenizerKind kind, Error *err);

/* As tokenizer_open, for a caller that reads what a language model says: CLIP's and BERT's are STATUS_MISMATCH. */
Tokenizer *tokenizer_open_language(const char *model_dir, Error *err);

/* As tokenizer_open, for SigLIP: its unigram model, or Gemma's SentencePiece BPE (SigLIP 2). */
Tokenizer *tokenizer_open_siglip(const char *model_dir, Error *err);

/* NULL is fine. */
void tokenizer_free(Tokenizer *t);

/* Which of the kinds it is. */
TokenizerKind tokenizer_kind(const Tokenizer *t);

/* Highest id plus one, added tokens included. */
int32_t tokenizer_size(const Tokenizer *t);

/* Bytes that it comes to take beyond its vocabulary, as it remembers the words of many texts. */
size_t tokenizer_memory(const Tokenizer *t);

/*
 * Whether ids mean the same to both: the same vocabulary and merges, whatever files they came from. Ids that only one of them has
 * at its end (a checkpoint's <image>) do not part them.
 */
bool tokenizer_same(const Tokenizer *a, const Tokenizer *b);

/* Digest of all that decides what ids a text has (vocabulary, merges, added tokens), not of files; a few milliseconds. */
uint64_t tokenizer_digest(const Tokenizer *t);

/* The model's usual limit of ids, special ones included: 77 for CLIP, 32 for BERT (LAVIS's ITM), 64 for SigLIP's, 0 (none)
 * for OPT. */
size_t tokenizer_limit(const Tokenizer *t);

/*
 * Cuts text into ids. limit is the most ids there may be, special ids included; 0 for no limit. What is beyond is dropped at the
 * right; [SEP], <|endoftext|> and </s> behind stay. False only for invalid UTF-8 (err says at which byte) or a limit too small
 * for the special ids. OPT and CLIP: pieces of text in no vocabulary entry give the unknown id if the vocabulary has one, else
 * nothing, as Hugging Face.
 */
MUST_USE bool tokenizer_encode(Tokens *out, Arena *arena, const Tokenizer *t, Slice text, int flags, size_t limit, Error *err);

/*
 * The text of ids: special ids (those that Hugging Face calls special) dropped, unknown ids nothing, invalid UTF-8 replaced by
 * one U+FFFD per maximal subpart. OPT: exact inverse of encoding. BERT, CLIP: words joined by spaces as Hugging Face does. Not
 * stripped for OPT.
 */
Slice tokenizer_decode(Arena *arena, const Tokenizer *t, const int32_t *ids, size_t n);

/* The name of an id in the vocabulary ("Ġcat", "cat</w>", "##ing"); data is NULL for an id that has none. */
Slice tokenizer_piece(const Tokenizer *t, int32_t id);

/* The id of a name in the vocabulary or among the added tokens, or -1. */
int32_t tokenizer_id(const Tokenizer *t, Slice piece);

/*
 * The bytes an id stands for. OPT: exact. CLIP: without </w>; BERT: without ##. Empty for special ids and for ids of no piece.
 */
Slice tokenizer_token_bytes(const Tokenizer *t, int32_t id);

/* Whether decoding drops the id. */
bool tokenizer_is_special(const Tokenizer *t, int32_t id);

/* Ids with a meaning; -1 where the kind has none. */
typedef struct TokenizerIds {
    int32_t bos;     /* what ENCODE_SPECIAL puts in front: OPT 2, CLIP <|startoftext|>, BERT [CLS]; others their bos_token */
    int32_t eos;     /* what ends a text: OPT the newline (50118), CLIP <|endoftext|>, BERT [SEP]; others their eos_token */
    int32_t pad;     /* OPT 1, CLIP <|endoftext|>, BERT [PAD] */
    int32_t unknown; /* OPT: none */
    int32_t image;   /* <image>: OPT 50265, BERT 30523; -1 in older checkpoints */
} TokenizerIds;
TokenizerIds tokenizer_ids(const Tokenizer *t);

/*
 * A caption as the word rules and the scorers see it: the bytes of its tokens without special ids and eos, invalid UTF-8
 * replaced (SentencePiece: a run of byte rows that is not valid as a whole by one U+FFFD for each byte, as its decoder does).
 * tokens[i] is the range of token i in `whole`, in whole characters (two tokens that share a character both have all of it); a
 * token without bytes has the empty range of the place where it stands.
 */
typedef struct CaptionText {
    Slice whole;       /* unstripped */
    Slice text;        /* whole without white space (White_Space, U+001C..1F) at both ends: the caption's text */
    TextRange *tokens; /* [count], into whole */
    size_t count;
} CaptionText;

/* Without white space (White_Space, U+001C..1F) at both ends, as Python's str.strip. */
Slice text_strip(Slice text);

/* The text of a captioner's tokens; never fails: any ids give some text. */
void tokenizer_caption(CaptionText *out, Arena *arena, const Tokenizer *t, const int32_t *ids, size_t n);

#endif
