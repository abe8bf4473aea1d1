/*
 * The value head: hidden states to values, V_k = head(h_k). The paper's Figure 2 leaves the layout open (models.md section 1.3);
 * a specification chooses it:
 *
 *   residual:blocks=5,width=4   n blocks x + down(gelu(up(norm(x)))), up d -> width d; then out(gelu(hidden(x))), hidden d -> 2d
 *   linear                      out alone: the paper's head that failed
 *   mlp:layers=2,width=6        layers of width d with gelu between, then out
 *
 * Norm eps 1e-5, erf gelu. Names: value_head.blocks.{i}.norm|up|down.{weight,bias}, value_head.hidden.*, value_head.layers.{i}.*,
 * value_head.out.*.
 */
#ifndef LEARN_VALUE_HEAD_H
#define LEARN_VALUE_HEAD_H

#include "learn/parameters.h"

typedef struct ValueHead ValueHead;

/*
 * A new head for hidden size d as parameters of group "value-head". Initialisation: torch's default for Linear (uniform in
 * +-1/sqrt(in), weights and biases) drawn by (seed, name), norms 1 and 0, `down` and `out` zero. NULL with err set if the
 * specification cannot be read.
 */
ValueHead *value_head_new(const char *specification, size_t d, Parameters *p, uint64_t seed, Error *err);
void value_head_free(ValueHead *h); /* the parameters stay with their set */

/*
 * How many times d values a row of h takes at most on a tape that records, forward and backward, with its gradients: what a plan
 * of memory counts with (tests/models/test_update.c holds it against the tape).
 */
size_t value_head_reals(const ValueHead *h);

/* h [n, d] to values [n, 1]. */
Tensor *value_head_forward(Tape *t, const ValueHead *h, Tensor *x);

#endif
