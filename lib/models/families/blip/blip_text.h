/* BLIP's texts: BERT whose every layer attends to the rows of an image between its two halves. models.md section 4.6. */
#ifndef MODELS_FAMILIES_BLIP_BLIP_TEXT_H
#define MODELS_FAMILIES_BLIP_BLIP_TEXT_H

#include "models/bert.h"
#include "models/families/blip/blip_config.h"
#include "models/matcher.h"

typedef struct BlipText {
    BlipTextConfig config;
    Tensor words, positions; /* [vocabulary, hidden], [positions, hidden] */
    Norm norm;               /* of the embeddings */
    BertLayer *layers;       /* owned */
} BlipText;

/* Binds `prefix`.embeddings and `prefix`.encoder ("text_encoder"), cross-attention over rows [.., memory]. */
void blip_text_bind(BlipText *m, Binder *b, const BlipTextConfig *config, size_t memory, const char *prefix);
void blip_text_release(BlipText *m);

/* How attention goes in one pass: to all of a text, or to what is before it; over these rows of images, or over none. */
typedef struct BlipPass {
    bool causal;
    const Tensor *images; /* [n_images * rows of one, memory]; NULL: no cross-attention */
    size_t n_images;
} BlipPass;

/* The last layer's rows of n texts, one after the other: [sum of n, hidden]. */
Tensor *blip_text_rows(Tape *t, const BlipText *m, const BlipPass *pass, const MatcherText *texts, size_t n);

#endif
