/*
 * The scorer: Blip2ForImageTextRetrieval's image-text matching head. models.md section 4.
 */
#ifndef MODELS_ITM_H
#define MODELS_ITM_H

#include "models/families/blip2/qformer.h"
#include "models/vit.h"

typedef struct Itm {
    Blip2Config config;
    Checkpoint *checkpoint; /* owned */
    Binder binder;
    Vit vit; /* its blocks are usually the captioner's (vit_digest), its final norm is its own */
    Qformer qformer;
    Linear head;                               /* [2, hidden]: 0 no match, 1 match */
    Linear vision_projection, text_projection; /* carried along; not used */
} Itm;

Itm *itm_open(const char *folder, const Kernels *kernels, Error *err); /* NULL with err set */
/* A model of this shape without values (bind.h): its layout, or a model to be trained from nothing. */
Itm *itm_new(const Blip2Config *config, const Kernels *kernels);
void itm_free(Itm *m);

/*
 * Logits [n, 2] before softmax, index 1 = match: the head on the mean of the query rows (the mean of its values on each). memory:
 * qformer_memory of the images' normed features; texts name their image in it.
 */
Tensor *itm_logits(Tape *t, const Itm *m, const QformerMemory *memory, const QformerText *texts, size_t n);

/* The same from the query rows [n * queries, hidden] that qformer_pairs gives. */
Tensor *itm_head(Tape *t, const Itm *m, const Tensor *rows, size_t n);

#endif
