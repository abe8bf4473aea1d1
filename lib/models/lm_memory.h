/* How a language model attends to images whose rows stand in no sequence (LmConfig.memory), and which kind its layers are. */
#ifndef MODELS_LM_MEMORY_H
#define MODELS_LM_MEMORY_H

#include "models/lm.h"

/* The queries of a span over the keys and values of an image. */
Span lm_cross(const Lm *m, Span span, size_t image);

/* Layer i of a pass, and the same with a cache: a Block, or a BertLayer over the pass's images. */
Tensor *lm_layer(Tape *t, const Lm *m, size_t i, const BlockPass *pass, Tensor *x);
Tensor *lm_layer_cached(Tape *t, const Lm *m, size_t i, const BlockPass *pass, Tensor *x, KvCache *c, const size_t *at);

/* What the head reads, of the last layer's rows as lm_hidden gives them. */
Tensor *lm_transform(Tape *t, const Lm *m, const Tensor *hidden);

#endif
