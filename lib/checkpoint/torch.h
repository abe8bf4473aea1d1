/* Files of torch.save, as they lie in memory. */
#ifndef CHECKPOINT_TORCH_H
#define CHECKPOINT_TORCH_H

#include "checkpoint/stored.h"

/* Appends the tensors of such a file (a zip with a pickle), a state dict of tensors, to out. Everything lies in arena or file. */
MUST_USE bool torch_read(const unsigned char *file, size_t size, Arena *arena, StoredList *out, Error *err);

#endif
