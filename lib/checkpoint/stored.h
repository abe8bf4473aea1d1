/* Stored tensors: what the tensors of a checkpoint file are, and their values. */
#ifndef CHECKPOINT_STORED_H
#define CHECKPOINT_STORED_H

#include "tensor/tensor.h"

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

/* The tensors of files, while they are read. `= {0}` is empty; items is to be freed. */
typedef struct StoredList {
    StoredTensor *items;
    size_t count, capacity;
} StoredList;

/* Appends a copy. */
void stored_add(StoredList *list, const StoredTensor *t);

/* Fills dtype, real_valued and type of t, and the bytes of one value. False for a name that is no type. */
bool stored_type(StoredTensor *t, const char *name, size_t *size);

/* Whether a name can be printed and written: UTF-8 without control characters. */
MUST_USE bool stored_name(const char *name, Error *err);

/* Values first .. first+n-1 of a real-valued tensor, as another type; whether or not the file aligns them. */
void stored_read(const StoredTensor *t, size_t first, size_t n, DType to, void *out);

#endif
