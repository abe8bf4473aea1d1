/* --dump: what one step computed, as safetensors, for comparing with another implementation; and --init, its way back. */
#ifndef UPDATE_RUN_DUMP_H
#define UPDATE_RUN_DUMP_H

#include "base/hash.h"
#include "update/learner.h"

typedef struct Dump {
    const char *folder;
    TensorSources gradients; /* owned, with host copies of the data */
} Dump;

/* Copies all gradients before they are clamped; a GradientHook, context is the Dump. */
void dump_gradients(void *context, Learner *l);

/*
 * Writes FOLDER/step-K.safetensors: grad.<name>, the parameters after the step by name, and values, advantages, normalised and p
 * over all tokens in order. The policy's adapters on the language model are called policy.<name>, since the value pass has its
 * own there. Frees the copies.
 */
MUST_USE bool dump_write(Dump *d, const Learner *l, const Batch *b, const StepReport *r, Error *err);

/*
 * Starts trained parts from the tensors of the file at path (NULL: does nothing), by the names that dump_write gives them; what
 * it lacks stays as it is. digest: of its tensors. STATUS_MISMATCH where it has none of them.
 */
MUST_USE bool dump_init(Learner *l, const char *path, Digest *digest, Error *err);

#endif
