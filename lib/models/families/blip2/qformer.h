/*
 * The Q-Former (Li et al. 2023, BLIP-2): query rows that read an image by cross-attention in every second layer, alone or
 * together with text. BERT-style post-norm. models.md sections 3.5 and 4.4.
 */
#ifndef MODELS_QFORMER_H
#define MODELS_QFORMER_H

#include "models/bert.h"
#include "models/families/blip2/blip2_config.h"
#include "models/matcher.h"

typedef struct QformerLayer {
    BertAttention self, cross; /* cross: only where has_cross */
    bool has_cross;
    BertFfn ffn_query, ffn_text; /* ffn_text: only with text input */
} QformerLayer;

typedef struct Qformer {
    QformerConfig config;
    size_t queries;
    bool text;
    Tensor query;                      /* [queries, hidden], real: `query_tokens` */
    Tensor word_table, position_table; /* text only: [vocabulary, hidden], [positions, hidden] */
    Norm norm;                         /* of the embeddings */
    QformerLayer *layers;              /* owned */
} Qformer;

/* Binds query_tokens, qformer.* and, with text, what embeds it: embeddings.* (BLIP-2), or within qformer.embeddings
 * (InstructBLIP, where the norm is too). */
typedef enum QformerReads { QFORMER_NO_TEXT, QFORMER_TEXT, QFORMER_TEXT_WITHIN } QformerReads;
void qformer_bind(Qformer *q, Binder *b, const QformerConfig *config, size_t queries, QformerReads reads);
void qformer_release(Qformer *q);

/*
 * What cross-attention reads of images: keys and values, computed once a pass however many captions an image has. Recorded, they
 * are there from the beginning; else each layer computes its own, and the next layer's lie in the same memory.
 */
typedef struct QformerMemory {
    const Tensor *features; /* borrowed */
    Tensor **k, **v;        /* NULL: not recorded. [layers]: [images * rows, hidden]; NULL where a layer has no cross-attention */
    size_t images, rows;    /* rows: of one image */
} QformerMemory;

/* features [images * rows, encoder_hidden], after the final norm of the vision encoder. */
QformerMemory qformer_memory(Tape *t, const Qformer *q, const Tensor *features, size_t images);

/* Queries alone, one set per image: [images * queries, hidden]. */
Tensor *qformer_queries(Tape *t, const Qformer *q, const QformerMemory *memory);

/*
 * Queries together with text, n pairs: the queries' rows [n * queries, hidden]. Self-attention runs over a pair's queries and its
 * text, both ways. words: NULL, or set to the texts' rows as the last layer takes them in, [sum of n, hidden].
 */
Tensor *qformer_pairs(Tape *t, const Qformer *q, const QformerMemory *memory, const MatcherText *texts, size_t n, Tensor **words);

/*
 * How many values a recorded pass leaves, gradients included, for an image of so many rows and so many rows of queries and text:
 * for plans (reals.h).
 */
double qformer_reals(const Qformer *q, size_t image_rows, size_t rows, bool checkpointing);

/* Texts alone, for image-text contrast: the rows of [CLS], [n, hidden]. Their images are not looked at. */
Tensor *qformer_texts(Tape *t, const Qformer *q, const MatcherText *texts, size_t n);

#endif
