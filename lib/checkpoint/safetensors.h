/*
 * Checkpoints: safetensors files, mapped read-only and used where they lie; and the writer of such files.
 *
 * Format (https://github.com/huggingface/safetensors): u64 little-endian length of the header; a JSON object
 * {name: {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {..}}; raw values. Several files are joined by an
 * index,
 * {"weight_map": {name: file}}. Nothing in a file is trusted: a header that does not describe its file exactly is an error that
 * names file and tensor. Programs that map the same file share its pages.
 */
#ifndef CHECKPOINT_SAFETENSORS_H
#define CHECKPOINT_SAFETENSORS_H

#include "tensor/kernels.h"

#define SHAPE_MAX 8

typedef struct Shape {
    size_t ndim; /* 0: one value */
    size_t dim[SHAPE_MAX];
} Shape;

/* SHAPE(2, 3) is the shape [2, 3]. */
#define SHAPE(...) ((Shape){.ndim = sizeof((size_t[]){__VA_ARGS__}) / sizeof(size_t), .dim = {__VA_ARGS__}})

size_t shape_size(const Shape *s); /* the product: 1 for no dimensions */
bool shape_equal(const Shape *a, const Shape *b);
/* "[2, 3]" into text; returns text. */
const char *shape_text(const Shape *s, char text[static 128]);

/* One tensor of a checkpoint. Everything is borrowed from the checkpoint. */
typedef struct StoredTensor {
    const char *name;
    const char *dtype; /* as stored: "F32", "BF16", "I64", ... */
    bool real_valued;  /* dtype is one of the four that `type` can say; others can be listed and copied, not computed with */
    DType type;
    Shape shape;
    const void *data; /* in the mapping; aligned to one value only if the file is */
    size_t bytes;
    size_t file;      /* which of the checkpoint's files */
    uint64_t *digest; /* in the checkpoint: of the bytes, 0 until checkpoint_digest has read them */
} StoredTensor;

typedef struct Checkpoint Checkpoint;

/*
 * Opens a .safetensors file, a file of torch.save that holds a state dict (.pt, checkpoint/pickle.h), a .safetensors.index.json,
 * or a folder: its model.safetensors.index.json or other *.index.json, else model.safetensors, else the only *.safetensors in it.
 * With an index, exactly the tensors that it lists. NULL with err set on any fault.
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

/* Values first .. first+n-1 of a real-valued tensor, as another type; whether or not the file aligns them. */
void stored_read(const StoredTensor *t, size_t first, size_t n, DType to, void *out);

/*
 * Digest of the tensors whose names begin with one of the prefixes (all, if n is 0): xxh3-64 over name, dtype, shape and xxh3-64
 * of the bytes of each, in order of name; so of tensors, not of files. Reads every byte, on all threads of the pool, and gives
 * its page back at once; a tensor that has been read for a digest before is not read again, so the digest of a part costs nothing
 * after that of the whole. The text has 16 hexadecimal digits.
 */
uint64_t checkpoint_digest(const Checkpoint *c, const char *const *prefixes, size_t n);
void digest_text(uint64_t digest, char text[static 17]);

/* One tensor to be written. Names and data are borrowed until safetensors_write returns. */
typedef struct TensorSource {
    const char *name;
    Shape shape;
    const char *dtype;     /* the type in the file: "F32", "F16", "BF16", "F64"; any other with `raw` */
    DType type;            /* type of `data`; values are converted to `dtype` while they are written */
    const void *data;      /* shape_size values; NULL: they come from `produce` */
    const Kernels *device; /* whose memory data is; NULL: the host's */
    bool raw;              /* copy raw_bytes bytes as they are, whatever dtype says */
    size_t raw_bytes;
    void (*produce)(void *context, size_t first, size_t n, float *out); /* values first .. first+n-1 */
    void *context;
} TensorSource;

/*
 * Writes a safetensors file, whole or not at all (base/file.h), value by value through a small buffer: no second copy in
 * memory. Order of the values: by the size of their type, largest first (so that each is aligned), then by name.
 * metadata: an even number of key, value strings ended by NULL, or NULL.
 */
__attribute__((warn_unused_result)) bool safetensors_write(const char *path, const TensorSource *tensors, size_t n,
                                                           const char *const *metadata, Error *err);

#endif
