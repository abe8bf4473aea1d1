/* What a Tokenizer is made of, for tokenizer.c and decode.c alone. */
#ifndef TEXT_TOKENIZER_STRUCT_H
#define TEXT_TOKENIZER_STRUCT_H

#include <pthread.h>

#include "text/pieces.h"

struct Tokenizer {
    Vocab vocab;
    TokenizerIds ids;
    Slice *bytes;         /* [size], in the vocabulary's arena: what each id stands for */
    bool *special;        /* [size] */
    bool starts[256];     /* the bytes that added tokens begin with */
    size_t longest;       /* bytes of the longest name */
    pthread_mutex_t lock; /* over all that follows */
    Bpe *bpe;             /* owned, as what follows */
    Chars input, stretch, scratch;
    TokenList list;
    uint32_t *at; /* [characters + 1]: the byte each character of the input begins at */
    size_t at_capacity;
};

#endif
