/* The writer of safetensors files. */
#ifndef CHECKPOINT_SAFETENSORS_WRITE_H
#define CHECKPOINT_SAFETENSORS_WRITE_H

#include "checkpoint/stored.h"
#include "tensor/kernels.h"

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
MUST_USE bool safetensors_write(const char *path, const TensorSource *tensors, size_t n, const char *const *metadata, Error *err);

#endif
