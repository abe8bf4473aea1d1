/*
 * Checkpoints: files of safetensors or torch.save, mapped read-only and used where they lie. Several files are joined by an
 * index, {"weight_map": {name: file}}. Programs that map the same file share its pages.
 */
#ifndef CHECKPOINT_CHECKPOINT_H
#define CHECKPOINT_CHECKPOINT_H

#include "checkpoint/stored.h"

typedef struct Checkpoint Checkpoint;

/*
 * Opens a .safetensors file, a file of torch.save that holds a state dict (.pt, .bin, checkpoint/torch.h), an .index.json, or a
 * folder, where the first of these is opened: model.safetensors.index.json, another *.safetensors.index.json, model.safetensors,
 * adapter_model.safetensors, pytorch_model.bin.index.json, pytorch_model.bin, open_clip_model.safetensors,
 * open_clip_pytorch_model.bin, the only *.safetensors. With an index, exactly the tensors that it lists. NULL with err set on any
 * fault.
 */
Checkpoint *checkpoint_open(const char *path, Error *err);
void checkpoint_free(Checkpoint *c); /* unmaps: every tensor bound to it is gone */

/* Gives the pages of the mapping back that have been read so far: what is needed comes in again, the rest costs no memory. */
void checkpoint_forget(const Checkpoint *c);

size_t checkpoint_count(const Checkpoint *c);
const StoredTensor *checkpoint_get(const Checkpoint *c, size_t i);          /* i-th in order of name (bytewise) */
const StoredTensor *checkpoint_find(const Checkpoint *c, const char *name); /* NULL if there is none */
const char *checkpoint_path(const Checkpoint *c);                           /* as given to checkpoint_open */
const char *checkpoint_file(const Checkpoint *c, const StoredTensor *t);    /* path of the file that holds t */
const char *checkpoint_metadata(const Checkpoint *c, const char *key);      /* of the first file; NULL if absent */

/*
 * Digest of the tensors whose names begin with one of the prefixes (all, if n is 0): xxh3-64 over name, dtype, shape and xxh3-64
 * of the bytes of each, in order of name; so of tensors, not of files. Reads every byte, on all threads of the pool, and gives
 * its page back at once; a tensor that has been read for a digest before is not read again, so the digest of a part costs nothing
 * after that of the whole.
 */
uint64_t checkpoint_digest(const Checkpoint *c, const char *const *prefixes, size_t n);

#endif
