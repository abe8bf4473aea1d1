/*
 * The binder: turns names of a checkpoint into fields of a model's structs, once, with strict shapes; and remembers which fields
 * came from which name, so that later a tensor can be trained, replaced by a delta, or given an adapter.
 *
 * Errors stick: after the first one every bind_* does nothing, and binder_ok says so. Matrices point into the mapping in the type
 * they are stored in; vectors (biases, norms, query tokens) become private `real` copies.
 * Fields must not move while the binder lives. Names are printf formats.
 *
 * Without a checkpoint (NULL) the binder only notes names and shapes: the layout of a model that does not exist yet, to write one
 * (vlrm-weights random) or to train one from nothing (parameters_train).
 */
#ifndef MODELS_BIND_H
#define MODELS_BIND_H

#include "checkpoint/checkpoint.h"

#include "tensor/ops.h"

typedef struct BindTarget {
    Tensor *tensor; /* borrowed: a field of a model */
    size_t row;     /* its first row in the stored tensor (a fused matrix feeds several fields) */
} BindTarget;

typedef enum BindKind {
    BIND_MATRIX,     /* fields point into the mapping */
    BIND_VECTOR,     /* fields hold a real copy */
    BIND_TRANSPOSED, /* likewise, of a matrix stored as [cols, rows] */
} BindKind;

typedef struct Binding {
    char *name; /* owned */
    Shape shape;
    DType type; /* of data as stored */
    BindKind kind;
    size_t rows, cols;  /* as a matrix */
    const void *stored; /* in the mapping; NULL in a layout without values */
    void *data;         /* what the fields point at: in the mapping, the copy, or the device's */
    DType data_type;
    void *copy; /* owned: the real copy of a vector, of a transposed matrix, or of one that the file does not align; else NULL */
    BindTarget targets[4];
    size_t n_targets;
    bool trained; /* the fields belong to a set of parameters now */
} Binding;

typedef struct BoundModule { /* a linear layer, by the name an adapter calls it */
    char *name;              /* owned: "language_model.model.decoder.layers.0.self_attn.q_proj" */
    size_t out, in;
    struct {
        Linear *linear;
        size_t row; /* first of its outputs in the module's */
    } parts[3];
    size_t n_parts;
} BoundModule;

/* What the names of modules begin with, and what they begin with in PEFT's files. */
typedef struct AdapterName {
    const char *own, *file; /* of the last NULL */
} AdapterName;

typedef struct Binder {
    const Kernels *kernels;       /* borrowed */
    const Checkpoint *checkpoint; /* borrowed; NULL: a layout without values */
    Error err;
    Binding *bindings; /* owned, in order of binding */
    size_t n_bindings, bindings_capacity;
    BoundModule *modules; /* owned */
    size_t n_modules, modules_capacity;
    const AdapterName *adapters; /* borrowed; NULL: modules have one name */
} Binder;

/* For tensors of this checkpoint (NULL: a model without values) in memory of this table, both borrowed; binder_release frees it.
 */
void binder_init(Binder *b, const Kernels *kernels, const Checkpoint *checkpoint);
void binder_release(Binder *b);

/* The name with another beginning, the caller's to free; NULL where it does not begin with `from`. */
char *name_moved(const char *name, const char *from, const char *to);
/* What PEFT's files call a module; the caller frees it. */
char *adapter_name(const AdapterName *names, const char *module);

/* False with err set (if not NULL) if any binding failed. */
MUST_USE bool binder_ok(const Binder *b, Error *err);

/* The stored tensor must have exactly this shape; *out becomes [rows, cols], rows * cols = its size. Binding a name again is
 * fine. */
void bind_matrix(Binder *b, Tensor *out, size_t rows, size_t cols, Shape shape, const char *name, ...) PRINTF_LIKE(6, 7);
void bind_vector(Binder *b, Tensor *out, size_t rows, size_t cols, Shape shape, const char *name, ...) PRINTF_LIKE(6, 7);

/* NAME.weight [out, in] and, if has_bias, NAME.bias [out]; registers the module NAME. */
void bind_linear(Binder *b, Linear *layer, size_t out, size_t in, bool has_bias, const char *name, ...) PRINTF_LIKE(6, 7);
/* NAME [in, out], without bias: a layer's weight transposed, as open_clip stores projections. */
void bind_transposed(Binder *b, Linear *layer, size_t out, size_t in, const char *name);
/* One fused NAME.weight [n * out, in] and bias as n layers of [out, in] each. */
void bind_fused(Binder *b, Linear *const *layers, size_t n, size_t out, size_t in, bool has_bias, const char *name, ...)
    PRINTF_LIKE(7, 8);
/* The same of NAME_weight and NAME_bias, as torch's MultiheadAttention calls its in_proj. */
void bind_in_proj(Binder *b, Linear *const *layers, size_t n, size_t out, size_t in, const char *name);
/* NAME.weight and NAME.bias [d]. */
void bind_norm(Binder *b, Norm *norm, size_t d, double eps, const char *name, ...) PRINTF_LIKE(5, 6);
/* NAME.weight alone. */
void bind_rmsnorm(Binder *b, Norm *norm, size_t d, double eps, const char *name, ...) PRINTF_LIKE(5, 6);

Binding *binder_find(const Binder *b, const char *name); /* NULL if no such tensor is bound */
BoundModule *binder_find_module(const Binder *b, const char *name);

/* Whether name is prefix or lies below it ("a.b" matches "a.b" and "a.b.c", not "a.bc"). A * in prefix is one part: "a.*.c". */
bool name_within(const char *name, const char *prefix);

/* Points every field of the binding at data [rows, cols] of this type, with this gradient (may be NULL). */
void binding_point(Binding *binding, void *data, DType type, real *grad);

/*
 * Replaces bound tensors by those of a delta (a published policy): every tensor of delta must be bound and have the same shape.
 * Matrices then lie in delta's mapping, so it must outlive them; binder_restore goes back to the checkpoint.
 */
MUST_USE bool binder_overlay(Binder *b, const Checkpoint *delta, Error *err);
void binder_restore(Binder *b);

#endif
