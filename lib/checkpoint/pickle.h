/*
 * A restricted unpickler: state dicts of tensors, as torch.save writes them, and nothing else.
 *
 * A pickle is a program for a small stack machine that can name any Python function and call it. This one knows five names:
 * collections.OrderedDict, torch._utils._rebuild_tensor_v2, torch._utils._rebuild_parameter and the typed storages; it calls
 * nothing. Any other name, and any opcode that plain state dicts do not need, is refused by name.
 */
#ifndef CHECKPOINT_PICKLE_H
#define CHECKPOINT_PICKLE_H

#include "checkpoint/stored.h"

/* One tensor of a state dict: a contiguous view of a storage. Strings are in the arena. */
typedef struct PickledTensor {
    const char *name;
    const char *dtype;   /* as safetensors calls it: "F32", "I64" */
    const char *storage; /* key: its bytes are the zip entry data/KEY */
    size_t offset;       /* in values */
    Shape shape;
} PickledTensor;

/* The tensors of a state dict, *n of them, in the arena. False with err set on anything that a plain state dict does not need. */
MUST_USE bool pickle_read(const unsigned char *data, size_t size, Arena *arena, PickledTensor **tensors, size_t *n, Error *err);

#endif
