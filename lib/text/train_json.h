/* Trained tokenizers as a tokenizer.json of Hugging Face. Internal to lib/text. */
#ifndef TEXT_TRAIN_JSON_H
#define TEXT_TRAIN_JSON_H

#include <jansson.h>

#include "text/vocab.h"

/* {"name": id, ..}; the caller's. */
json_t *train_names_json(const Vocab *v);

/*
 * Writes FOLDER/tokenizer.json of a kind that is published so: TOKENIZER_BYTES (SmolLM2's) or TOKENIZER_SENTENCEPIECE
 * (LLaMa-2's). merges: "left right\n", the first merged first. first, last: the special tokens, NULL behind each list.
 */
MUST_USE bool train_write_json(const char *folder, TokenizerKind kind, const Vocab *v, const char *merges,
                               const char *const *first, const char *const *last, Error *err);

#endif
