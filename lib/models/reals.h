/* How many values a recorded pass leaves on its tape, by shapes: what plans of memory count with. */
#ifndef MODELS_REALS_H
#define MODELS_REALS_H

#include "models/block.h"

/*
 * Per row of a stack of transformer blocks of width d: norms, q k v, attention, sums (d each) and what the feed-forward half has
 * between its layers (`inner`, feed_reals). Each block's values, its result's gradient, and the gradients of one block;
 * checkpointing: only results, and two blocks.
 */
double stack_reals(double d, double inner, double layers, bool checkpointing);

/* Values between the layers of a feed-forward half of this width: with GELU twice, with SwiGLU three times. */
double feed_reals(Activation activation, double width);

#endif
