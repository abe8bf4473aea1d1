/*
 * BLIP-2's matching model: Blip2ForImageTextRetrieval's image-text matching head behind a Q-Former. models.md section 4. What
 * programs want of it is matcher.h's; who trains one looks inside.
 */
#ifndef MODELS_FAMILIES_BLIP2_ITM_H
#define MODELS_FAMILIES_BLIP2_ITM_H

#include "models/families/blip2/qformer.h"
#include "models/matcher.h"

typedef struct Itm {
    Matcher base; /* its vit's blocks are usually the captioner's, the final norm is its own */
    Blip2Config config;
    Qformer qformer;
    Linear head;                               /* [2, hidden]: 0 no match, 1 match */
    Linear vision_projection, text_projection; /* of the contrast: carried along */
} Itm;

/* NULL with err set. Freed by matcher_free. */
Itm *itm_open(const char *folder, const Kernels *kernels, Error *err);

/*
 * Logits [n, 2] from the query rows [n * queries, hidden] that qformer_pairs gives: the head on the mean of a pair's rows (the
 * mean of its values on each).
 */
Tensor *itm_head(Tape *t, const Itm *m, const Tensor *rows, size_t n);

#endif
