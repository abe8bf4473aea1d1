/* How a language model knows where a row is: learned positions are added to it, rotary ones turn its queries and keys. */
#ifndef MODELS_LM_PLACE_H
#define MODELS_LM_PLACE_H

#include "models/lm.h"

/* [head_dim / 2] radians per position, as the configuration scales them; the caller frees them. */
double *lm_frequencies(const LmConfig *config);

/* x [rows, hidden] with the learned rows of these positions (from 0, [rows]) added, and normed where BERT's are; x itself where
 * positions are rotary. */
Tensor *lm_place(Tape *t, const Lm *m, Tensor *x, const int32_t *positions);

/* A causal pass over these spans; rotary: with the angles of `rows` rows at these positions. */
BlockPass lm_pass(Tape *t, const Lm *m, const Span *spans, size_t n_spans, const int32_t *positions, size_t rows);

#endif
