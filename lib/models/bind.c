/* The binder; see bind.h. */
#include "models/bind.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

void binder_init(Binder *b, const Kernels *kernels, const Checkpoint *checkpoint)
{
    *b = (Binder){.kernels = kernels, .checkpoint = checkpoint};
}

char *name_moved(const char *name, const char *from, const char *to)
{
    const size_t n = strlen(from);
    return strncmp(name, from, n) == 0 ? xasprintf("%s%s", to, name + n) : NULL;
}

char *adapter_name(const AdapterName *names, const char *module)
{
    char *name = NULL;
    for (; names && names->own && !name; names++)
        name = name_moved(module, names->own, names->file);
    return name ? name : xstrdup(module);
}

void binder_release(Binder *b)
{
    for (size_t i = 0; i < b->n_bindings; i++) {
        free(b->bindings[i].name);
        if (b->bindings[i].copy)
            b->kernels->memory_free(b->bindings[i].copy);
    }
    for (size_t i = 0; i < b->n_modules; i++)
        free(b->modules[i].name);
    free(b->bindings);
    free(b->modules);
    *b = (Binder){0};
}

static bool failed(const Binder *b)
{
    return b->err.text[0] != '\0';
}

bool binder_ok(const Binder *b, Error *err)
{
    if (!failed(b))
        return true;
    if (err && !err->text[0])
        *err = b->err;
    return false;
}

Binding *binder_find(const Binder *b, const char *name)
{
    for (size_t i = 0; i < b->n_bindings; i++)
        if (strcmp(b->bindings[i].name, name) == 0)
            return &b->bindings[i];
    return NULL;
}

BoundModule *binder_find_module(const Binder *b, const char *name)
{
    for (size_t i = 0; i < b->n_modules; i++)
        if (strcmp(b->modules[i].name, name) == 0)
            return &b->modules[i];
    return NULL;
}

bool name_within(const char *name, const char *prefix)
{
    const char *at = name;
    for (const char *p = prefix; *p; p++) {
        if (*p == '*')
            at += strcspn(at, ".");
        else if (*at++ != *p)
            return false;
    }
    return at == name || *at == '\0' || *at == '.';
}

/* ---- pointing fields at values ---- */

static void point(const Binding *b, const BindTarget *target, real *grad)
{
    size_t first = target->row * b->cols;
    target->tensor->data = b->data ? (char *)b->data + first * dtype_size(b->data_type) : NULL;
    target->tensor->type = b->data_type;
    target->tensor->grad = grad ? grad + first : NULL;
}

void binding_point(Binding *b, void *data, DType type, real *grad)
{
    b->data = data;
    b->data_type = type;
    for (size_t i = 0; i < b->n_targets; i++)
        point(b, &b->targets[i], grad);
}

/* to [rows, cols] from [cols, rows] */
static void transpose(real *to, const real *from, size_t rows, size_t cols)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < cols; j++)
            to[i * cols + j] = from[j * rows + i];
}

/* A binding's stored values as `real` in the device's memory. */
static void *real_copy(const Kernels *k, const Binding *b, DType type, const void *stored)
{
    const size_t n = b->rows * b->cols;
    real *host = xmalloc(2 * n * sizeof *host), *read = b->kind == BIND_TRANSPOSED ? host + n : host;
    stored_read(&(StoredTensor){.type = type, .data = stored}, 0, n, DTYPE_REAL, read);
    if (read != host)
        transpose(host, read, b->rows, b->cols);
    void *copy = k->memory_new(n * sizeof *host);
    k->upload(copy, host, n * sizeof *host);
    free(host);
    return copy;
}

/*
 * Points a binding's fields at stored values: in place if a kernel can read them there. A matrix that its file does not align (an
 * older writer's header of odd length) costs private memory, but is correct.
 */
static void use_stored(const Kernels *k, Binding *b, DType type, const void *stored)
{
    size_t n = b->rows * b->cols;
    void *old = b->copy;
    if (b->kind != BIND_MATRIX || (uintptr_t)stored % dtype_size(type) != 0) {
        b->copy = real_copy(k, b, type, stored);
        binding_point(b, b->copy, DTYPE_REAL, NULL);
    } else {
        b->copy = NULL;
        binding_point(b, (void *)(uintptr_t)k->weights(stored, n * dtype_size(type)), type, NULL);
    }
    if (old)
        k->memory_free(old);
}

/* ---- binding ---- */

static const StoredTensor *expect(Binder *b, const char *name, const Shape *shape)
{
    const StoredTensor *t = checkpoint_find(b->checkpoint, name);
    char found[128], expected[128];
    if (!t)
        error_set_status(&b->err, STATUS_MISMATCH, "%s: no tensor %s (expected %s)", checkpoint_path(b->checkpoint), name,
                         shape_text(shape, expected));
    else if (!shape_equal(&t->shape, shape))
        error_set_status(&b->err, STATUS_MISMATCH, "%s: tensor %s has shape %s, expected %s", checkpoint_file(b->checkpoint, t),
                         name, shape_text(&t->shape, found), shape_text(shape, expected));
    else if (!t->real_valued)
        error_set_status(&b->err, STATUS_MISMATCH, "%s: tensor %s is %s, expected F32, F16, BF16 or F64",
                         checkpoint_file(b->checkpoint, t), name, t->dtype);
    return failed(b) ? NULL : t;
}

/* The binding of a name, made if new; NULL once anything has failed. */
static Binding *bind_name(Binder *b, const char *name, size_t rows, size_t cols, const Shape *shape, BindKind kind)
{
    if (failed(b))
        return NULL;
    if (rows * cols != shape_size(shape))
        bug("%s: %zu x %zu does not fill its shape", name, rows, cols);
    Binding *known = binder_find(b, name);
    if (known)
        return known;
    const StoredTensor *t = b->checkpoint ? expect(b, name, shape) : &(StoredTensor){.type = DTYPE_REAL};
    if (!t)
        return NULL;
    b->bindings = array_reserve(b->bindings, &b->bindings_capacity, b->n_bindings + 1, sizeof b->bindings[0]);
    Binding *n = &b->bindings[b->n_bindings++];
    *n = (Binding){
        .name = xstrdup(name), .shape = *shape, .type = t->type, .kind = kind, .rows = rows, .cols = cols, .stored = t->data};
    n->data_type = DTYPE_REAL;
    if (n->stored)
        use_stored(b->kernels, n, n->type, n->stored);
    return n;
}

/* One more field fed by a binding. */
static void add_target(Binding *b, Tensor *out, size_t row, size_t rows)
{
    if (!b)
        return;
    if (b->n_targets == sizeof b->targets / sizeof b->targets[0])
        bug("%s feeds too many fields", b->name);
    *out = (Tensor){.rows = rows, .cols = b->cols};
    b->targets[b->n_targets] = (BindTarget){out, row};
    point(b, &b->targets[b->n_targets++], NULL);
}

static void bind_one(Binder *b, Tensor *out, size_t rows, size_t cols, const Shape *shape, BindKind kind, const char *name)
{
    *out = (Tensor){.rows = rows, .cols = cols, .type = DTYPE_REAL};
    add_target(bind_name(b, name, rows, cols, shape, kind), out, 0, rows);
}

/* The text of a printf format into a new string. */
#define FORMAT_NAME(out, format)                                   \
    do {                                                           \
        va_list args;                                              \
        va_start(args, format);                                    \
        if (vasprintf(&(out), format, args) < 0)                   \
            die_status(STATUS_MEMORY, "out of memory for a name"); \
        va_end(args);                                              \
    } while (0)

void bind_matrix(Binder *b, Tensor *out, size_t rows, size_t cols, Shape shape, const char *name, ...)
{
    char *text;
    FORMAT_NAME(text, name);
    bind_one(b, out, rows, cols, &shape, BIND_MATRIX, text);
    free(text);
}

void bind_vector(Binder *b, Tensor *out, size_t rows, size_t cols, Shape shape, const char *name, ...)
{
    char *text;
    FORMAT_NAME(text, name);
    bind_one(b, out, rows, cols, &shape, BIND_VECTOR, text);
    free(text);
}

void bind_norm(Binder *b, Norm *norm, size_t d, double eps, const char *name, ...)
{
    char *text;
    FORMAT_NAME(text, name);
    norm->eps = eps;
    bind_vector(b, &norm->gamma, 1, d, SHAPE(d), "%s.weight", text);
    bind_vector(b, &norm->beta, 1, d, SHAPE(d), "%s.bias", text);
    free(text);
}

void bind_rmsnorm(Binder *b, Norm *norm, size_t d, double eps, const char *name, ...)
{
    char *text;
    FORMAT_NAME(text, name);
    norm->eps = eps;
    bind_vector(b, &norm->gamma, 1, d, SHAPE(d), "%s.weight", text);
    free(text);
}

/* dot: what is between the module's name and "weight". */
static void bind_layers(Binder *b, Linear *const *layers, size_t n, size_t out, size_t in, bool has_bias, const char *name,
                        char dot)
{
    char *weight = xasprintf("%s%cweight", name, dot), *bias = xasprintf("%s%cbias", name, dot);
    Binding *w = bind_name(b, weight, n * out, in, &SHAPE(n * out, in), BIND_MATRIX);
    size_t w_index = w ? (size_t)(w - b->bindings) : 0; /* binding the bias may move the array */
    Binding *v = has_bias ? bind_name(b, bias, n * out, 1, &SHAPE(n * out), BIND_VECTOR) : NULL;
    b->modules = array_reserve(b->modules, &b->modules_capacity, b->n_modules + 1, sizeof b->modules[0]);
    BoundModule *m = &b->modules[b->n_modules++];
    *m = (BoundModule){.name = xstrdup(name), .out = n * out, .in = in, .n_parts = n};
    for (size_t i = 0; i < n; i++) {
        *layers[i] = (Linear){.weight = {.rows = out, .cols = in, .type = DTYPE_REAL}};
        m->parts[i].linear = layers[i];
        m->parts[i].row = i * out;
        add_target(w ? &b->bindings[w_index] : NULL, &layers[i]->weight, i * out, out);
        add_target(v, &layers[i]->bias, i * out, out);
        if (v) { /* a bias is one row */
            layers[i]->bias.rows = 1;
            layers[i]->bias.cols = out;
        }
    }
    free(weight);
    free(bias);
}

void bind_linear(Binder *b, Linear *layer, size_t out, size_t in, bool has_bias, const char *name, ...)
{
    char *text;
    FORMAT_NAME(text, name);
    bind_layers(b, &layer, 1, out, in, has_bias, text, '.');
    free(text);
}

void bind_transposed(Binder *b, Linear *layer, size_t out, size_t in, const char *name)
{
    *layer = (Linear){.weight = {.rows = out, .cols = in, .type = DTYPE_REAL}};
    bind_one(b, &layer->weight, out, in, &SHAPE(in, out), BIND_TRANSPOSED, name);
}

void bind_fused(Binder *b, Linear *const *layers, size_t n, size_t out, size_t in, bool has_bias, const char *name, ...)
{
    char *text;
    FORMAT_NAME(text, name);
    bind_layers(b, layers, n, out, in, has_bias, text, '.');
    free(text);
}

void bind_in_proj(Binder *b, Linear *const *layers, size_t n, size_t out, size_t in, const char *name)
{
    bind_layers(b, layers, n, out, in, true, name, '_');
}

/* ---- deltas ---- */

bool binder_overlay(Binder *b, const Checkpoint *delta, Error *err)
{
    char found[128], expected[128];
    for (size_t i = 0; i < checkpoint_count(delta); i++) {
        const StoredTensor *t = checkpoint_get(delta, i);
        const Binding *bound = binder_find(b, t->name);
        if (!bound)
            return error_set_status(err, STATUS_MISMATCH, "%s: tensor %s is not one of %s", checkpoint_file(delta, t), t->name,
                                    checkpoint_path(b->checkpoint));
        if (bound->trained)
            bug("%s is trained; load it into its parameter instead", t->name);
        if (!t->real_valued || !shape_equal(&t->shape, &bound->shape))
            return error_set_status(err, STATUS_MISMATCH, "%s: tensor %s is %s %s, expected %s", checkpoint_file(delta, t),
                                    t->name, t->dtype, shape_text(&t->shape, found), shape_text(&bound->shape, expected));
    }
    for (size_t i = 0; i < checkpoint_count(delta); i++) {
        const StoredTensor *t = checkpoint_get(delta, i);
        use_stored(b->kernels, binder_find(b, t->name), t->type, t->data);
    }
    return true;
}

void binder_restore(Binder *b)
{
    for (size_t i = 0; i < b->n_bindings; i++)
        if (!b->bindings[i].trained && b->bindings[i].stored)
            use_stored(b->kernels, &b->bindings[i], b->bindings[i].type, b->bindings[i].stored);
}
