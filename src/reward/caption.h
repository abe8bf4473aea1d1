/*
 * The caption of a record as the reward reads it: its tokens, its text, and the place of each token in the text.
 */
#ifndef REWARD_CAPTION_H
#define REWARD_CAPTION_H

#include "models/config.h"
#include "stream/made_from.h"
#include "text/tokenizer.h"

typedef struct Caption {
    int32_t *ids;
    size_t n;
    bool eos;         /* the last id is eos */
    bool made;        /* the ids were made here, from the text: the record has none */
    CaptionText text; /* decoded from the ids */
} Caption;

/* What captions are read with: the captioner's tokenizer and how many ids its model has, which may be more. */
typedef struct CaptionReader {
    Tokenizer *tokenizer; /* owned */
    size_t vocabulary;
    EosIds eos; /* any of them ends a caption; the first is put behind one that is made from a text */
} CaptionReader;

/* The reader of a model folder's captions; the folder may hold a tokenizer alone. */
MUST_USE bool caption_reader_init(CaptionReader *reader, const char *folder, Error *err);
void caption_reader_release(CaptionReader *reader);

/*
 * Reads caption.tokens, or makes them from caption.text (then with eos behind them, unless caption.eos is false). Everything lies
 * in the arena. An id outside the vocabulary is the record's failure; a caption whose tokens do not decode to its text is
 * STATUS_MISMATCH: the stream is another captioner's.
 */
MUST_USE bool caption_read(Caption *c, Arena *arena, const CaptionReader *reader, const Record *r, Error *err);

/* What its reward says it is the reward of (stream/made_from.h). */
Digest caption_name(const Caption *c);

/* The record's caption group with tokens and eos set as read; for captions whose ids were made. */
void caption_pack(Packer *p, const Record *r, const Caption *c);

#endif
