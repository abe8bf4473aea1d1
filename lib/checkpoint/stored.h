/* What the readers of checkpoint files share; for lib/models alone. */
#ifndef CHECKPOINT_STORED_H
#define CHECKPOINT_STORED_H

#include "checkpoint/safetensors.h"

/* Fills dtype, real_valued and type of t, and the bytes of one value. False for a name that is no type. */
bool stored_type(StoredTensor *t, const char *name, size_t *size);

/* Whether a name can be printed and written: UTF-8 without control characters. */
__attribute__((warn_unused_result)) bool stored_name(const char *name, Error *err);

/* The tensors of a torch.save file (a zip with a pickle) in memory: a state dict of tensors. Everything lies in arena or file. */
__attribute__((warn_unused_result)) bool torch_read(const unsigned char *file, size_t size, Arena *arena, StoredTensor **tensors,
                                                    size_t *n, Error *err);

#endif
