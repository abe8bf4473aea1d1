/*
 * Micro-batches: how many captions go through a pass at once, so that their activations fit --memory.
 *
 * A pure function of shapes and options, never of timing: the same batch is cut the same way on every run, or a resumed run would
 * not be the same to the last bit.
 */
#ifndef UPDATE_PLAN_H
#define UPDATE_PLAN_H

#include "update/learner.h"

/* Runs pass(context, first, n) over the batch; stops and returns false when it does. Layers are computed again in the backward
 * pass (tape_checkpointing) only where keeping them would leave micro-batches too small to be efficient. */
MUST_USE bool plan_run(Learner *l, const Batch *batch, StepReport *report, bool (*pass)(void *context, size_t first, size_t n),
                       void *context);

/* The same over captions [first, end) alone; report's micro-batches are added to. */
MUST_USE bool plan_run_part(Learner *l, const Batch *batch, size_t first, size_t end, StepReport *report,
                            bool (*pass)(void *context, size_t first, size_t n), void *context);

/* Whether a batch that is one micro-batch still fits where the value pass keeps what the policy's pass records of the images. */
bool plan_keeps_images(const Learner *l, const Batch *batch);

/* Bytes of activations that one caption of n tokens takes, with or without keeping every layer; an estimate from above. shared:
 * it shows the picture of the caption before it, whose rows it shares. */
size_t plan_bytes(const Learner *l, TileGrid grid, size_t n_tokens, bool shared, bool checkpointing);

#endif
