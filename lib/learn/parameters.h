/*
 * The trained parts: an ordered, named list of `real` tensors with gradient and Adam's two moments.
 *
 * A parameter is either a bound tensor of a model made private and trainable (parameters_train), or a new one (a value head, an
 * adapter). Names are those of the files. Memory is the device's; freed with the set.
 */
#ifndef LEARN_PARAMETERS_H
#define LEARN_PARAMETERS_H

#include "checkpoint/safetensors_write.h"
#include "models/bind.h"

typedef struct Parameter {
    char *name;        /* owned: Hugging Face's name, or PEFT's */
    const char *group; /* borrowed (a literal): "query", "qformer", "projection", "value-head", "lora", ... */
    Shape shape;
    Tensor value; /* real, with grad */
    real *m, *v;  /* Adam's moments, zero at first; NULL until parameters_moments */
} Parameter;

typedef struct Parameters {
    const Kernels *kernels; /* borrowed */
    Parameter **items;      /* owned; an item never moves */
    size_t count, capacity;
} Parameters;

/* An empty set, whose memory will be the table's (borrowed). parameters_release frees all of it. */
void parameters_init(Parameters *p, const Kernels *kernels);
void parameters_release(Parameters *p);

/* A new parameter of zeros; its value as [rows, cols]. The name must be new in its group. */
Parameter *parameters_add(Parameters *p, const char *group, const char *name, Shape shape, size_t rows, size_t cols);

/*
 * Makes every bound tensor within prefix (name_within; "" is all) a parameter of this group: its fields now point at a private
 * real copy with gradient, of the checkpoint's values (not a delta's), or zeros where the binder has none. Returns how many; 0 is
 * the caller's error to report. Those already trained are left out.
 */
size_t parameters_train(Parameters *p, const char *group, Binder *b, const char *prefix);

/* Moments for all; called once all are added. */
void parameters_moments(Parameters *p);

Parameter *parameters_find(const Parameters *p, const char *name); /* the first of that name; NULL if none */
size_t parameters_count(const Parameters *p, const char *group);   /* values in a group; NULL: in all */
void parameters_zero_grad(Parameters *p);

/* A digest of all values, in their order, and of `before`. */
uint64_t parameters_digest(const Parameters *p, uint64_t before);

/* Host copies of one parameter's values: n = tensor_size. */
void parameter_set(const Parameters *p, Parameter *item, const real *values);
void parameter_get(const Parameters *p, const Parameter *item, real *values);

typedef enum ParameterField { PARAMETER_VALUE, PARAMETER_GRAD, PARAMETER_M, PARAMETER_V } ParameterField;

/*
 * Takes values (or gradients, moments) of the group (NULL: all) from a checkpoint, where tensor `prefix``name` holds them. With
 * missing_ok, those that the checkpoint lacks keep what they have. Returns false naming the tensor on a wrong or missing one.
 */
MUST_USE bool parameters_load(Parameters *p, const char *group, ParameterField field, const char *prefix, const Checkpoint *c,
                              bool missing_ok, Error *err);

/*
 * Appends one source per parameter of the group, called `prefix``name`, to a growing list for safetensors_write (dtype F32, F64
 * in the double build, so that a checkpoint is exact). sources_release frees the names and the list.
 */
typedef struct TensorSources {
    TensorSource *items; /* owned, names too */
    size_t count, capacity;
} TensorSources;

void parameters_sources(const Parameters *p, const char *group, ParameterField field, const char *prefix, TensorSources *out);
/* A host array under a name (copied name, borrowed data). */
void sources_add(TensorSources *s, const char *name, Shape shape, const char *dtype, DType type, const void *data);
void sources_release(TensorSources *s);

#endif
