/*
 * The fields of a record's caption (formats/caption.md), each read in one place: what it must be, and what is said where it is
 * not. A field that is missing is no failure here: whoever needs it says so.
 */
#ifndef STAGE_CAPTION_H
#define STAGE_CAPTION_H

#include "stream/stream.h"
#include "text/tokenizer.h"

/* The tokenizer of a captioner's folder, by which its captions are read: a language model's, or BERT's where the family has that.
 * NULL with err set. The caller frees it. */
Tokenizer *caption_tokenizer_open(const char *folder, Error *err);

/* Each: FIELD_WRONG with err set where the field is of another kind; FIELD_MISSING leaves the result as it was. */
MUST_USE Field caption_tokens(const Record *r, Arena *a, int64_t **ids, size_t *n, Error *err); /* in the arena */
MUST_USE Field caption_text(const Record *r, Slice *text, Error *err);                          /* points into the record */
MUST_USE Field caption_eos(const Record *r, bool *eos, Error *err);

/* Log-probabilities, in the arena: one for each of n tokens, all of them finite. */
MUST_USE Field caption_logp(const Record *r, Arena *a, double **logp, size_t n, Error *err);

/* As caption_tokens, for those who cannot do without: false with err set where there are none. */
MUST_USE bool caption_tokens_needed(const Record *r, Arena *a, int64_t **ids, size_t *n, Error *err);

#endif
