/*
 * Small tokenizers made from a text: real files in the layouts of OPT, CLIP, BERT, SmolVLM and LLaMa-2, for models that are
 * trained from nothing.
 *
 * Deterministic: the same text gives the same bytes. Meant for vocabularies of thousands, not of hundreds of thousands: every
 * merge counts all pairs of all different words again.
 */
#ifndef TEXT_TRAIN_H
#define TEXT_TRAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/msg.h"
#include "text/tokenizer.h"

/*
 * Writes the tokenizer of this kind for a text of one caption a line into an existing folder:
 *
 *   OPT   vocab.json, merges.txt: <s> 0, <pad> 1, </s> 2, <unk> 3, the 256 bytes, merges; a caption ends with its newline
 *   CLIP  vocab.json, merges.txt: the bytes, the bytes with </w>, merges, <|startoftext|>, <|endoftext|> (the largest ids)
 *   BERT  vocab.txt: [PAD] 0, [UNK] 1, [CLS] 2, [SEP] 3, [MASK] 4, every character alone and as ##, then whole words,
 *         most frequent first
 *   BYTES tokenizer.json, SmolVLM's: <|endoftext|> 0, <|im_start|> 1, <|im_end|> 2, the 256 bytes, merges, and last
 *         <global-img>, <fake_token_around_image>, <image>, <end_of_utterance>
 *   SENTENCEPIECE  tokenizer.json, LLaMa-2's: <unk> 0, <s> 1, </s> 2, <0x00> .. <0xFF>, the characters of the text in the order
 *         of their first appearance, merges
 *
 * and tokenizer_config.json beside them, so that tokenizer_open and Hugging Face's AutoTokenizer read it. At most `size` ids;
 * fewer if no pair or word is left that stands twice (BERT: once). False for invalid UTF-8, a size below what must be there, or a
 * file that cannot be written. Not for unigram models.
 */
MUST_USE bool tokenizer_train(const char *folder, TokenizerKind kind, Slice text, size_t size, Error *err);

#endif
