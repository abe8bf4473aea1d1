/* The trained parts; see parameters.h. */
#include "learn/parameters.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

void parameters_init(Parameters *p, const Kernels *kernels)
{
    *p = (Parameters){.kernels = kernels};
}

static void free_device(const Kernels *k, void *data)
{
    if (data)
        k->memory_free(data);
}

void parameters_release(Parameters *p)
{
    for (size_t i = 0; i < p->count; i++) {
        Parameter *item = p->items[i];
        free_device(p->kernels, item->value.data);
        free_device(p->kernels, item->value.grad);
        free_device(p->kernels, item->m);
        free_device(p->kernels, item->v);
        free(item->name);
        free(item);
    }
    free(p->items);
    *p = (Parameters){0};
}

static real *zeros(const Kernels *k, size_t n)
{
    real *data = k->memory_new(n * sizeof *data);
    k->zero(data, n * sizeof *data);
    return data;
}

static bool in_group(const Parameter *item, const char *group)
{
    return !group || strcmp(item->group, group) == 0;
}

Parameter *parameters_add(Parameters *p, const char *group, const char *name, Shape shape, size_t rows, size_t cols)
{
    if (rows * cols != shape_size(&shape))
        bug("parameter %s: %zu x %zu does not fill its shape", name, rows, cols);
    for (size_t i = 0; i < p->count; i++)
        if (in_group(p->items[i], group) && strcmp(p->items[i]->name, name) == 0)
            bug("parameter %s is added twice to group %s", name, group);
    Parameter *item = xcalloc(1, sizeof *item);
    *item = (Parameter){.name = xstrdup(name), .group = group, .shape = shape};
    item->value = (Tensor){.data = zeros(p->kernels, rows * cols),
                           .grad = zeros(p->kernels, rows * cols),
                           .rows = rows,
                           .cols = cols,
                           .type = DTYPE_REAL};
    p->items = array_reserve(p->items, &p->capacity, p->count + 1, sizeof(Parameter *));
    p->items[p->count++] = item;
    return item;
}

static void set_stored(const Parameters *p, Parameter *item, DType type, const void *stored)
{
    const size_t n = tensor_size(&item->value);
    real *host = xmalloc(n * sizeof *host);
    stored_read(&(StoredTensor){.type = type, .data = stored}, 0, n, DTYPE_REAL, host);
    parameter_set(p, item, host);
    free(host);
}

size_t parameters_train(Parameters *p, const char *group, Binder *b, const char *prefix)
{
    size_t added = 0;
    for (size_t i = 0; i < b->n_bindings; i++) {
        Binding *bound = &b->bindings[i];
        if (bound->trained || !name_within(bound->name, prefix))
            continue;
        Parameter *item = parameters_add(p, group, bound->name, bound->shape, bound->rows, bound->cols);
        if (bound->stored)
            set_stored(p, item, bound->type, bound->stored);
        free_device(b->kernels, bound->copy);
        bound->copy = NULL;
        bound->trained = true;
        binding_point(bound, item->value.data, DTYPE_REAL, item->value.grad);
        added++;
    }
    return added;
}

void parameters_moments(Parameters *p)
{
    for (size_t i = 0; i < p->count; i++) {
        Parameter *item = p->items[i];
        if (!item->m)
            item->m = zeros(p->kernels, tensor_size(&item->value));
        if (!item->v)
            item->v = zeros(p->kernels, tensor_size(&item->value));
    }
}

Parameter *parameters_find(const Parameters *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->items[i]->name, name) == 0)
            return p->items[i];
    return NULL;
}

size_t parameters_count(const Parameters *p, const char *group)
{
    size_t n = 0;
    for (size_t i = 0; i < p->count; i++)
        if (in_group(p->items[i], group))
            n += tensor_size(&p->items[i]->value);
    return n;
}

void parameters_zero_grad(Parameters *p)
{
    for (size_t i = 0; i < p->count; i++)
        p->kernels->zero(p->items[i]->value.grad, tensor_size(&p->items[i]->value) * sizeof(real));
}

uint64_t parameters_digest(const Parameters *p, uint64_t before)
{
    enum { PIECE = 1 << 20 }; /* values on their way from the device at a time */
    real *host = xmalloc(PIECE * sizeof *host);
    for (size_t i = 0; i < p->count; i++) {
        const Tensor *t = &p->items[i]->value;
        for (size_t at = 0, n; at < tensor_size(t); at += n) {
            n = size_min(PIECE, tensor_size(t) - at);
            p->kernels->download(host, (const real *)t->data + at, n * sizeof *host);
            const uint64_t both[] = {before, hash_id(host, n * sizeof *host)};
            before = hash_id(both, sizeof both);
        }
    }
    free(host);
    return before;
}

void parameter_set(const Parameters *p, Parameter *item, const real *values)
{
    p->kernels->upload(item->value.data, values, tensor_size(&item->value) * sizeof *values);
}

void parameter_get(const Parameters *p, const Parameter *item, real *values)
{
    p->kernels->download(values, item->value.data, tensor_size(&item->value) * sizeof *values);
}

/* ---- files ---- */

static real *field_of(const Parameter *item, ParameterField field)
{
    switch (field) {
    case PARAMETER_GRAD:
        return item->value.grad;
    case PARAMETER_M:
        return item->m;
    case PARAMETER_V:
        return item->v;
    default:
        return item->value.data;
    }
}

static bool load_one(const Parameters *p, const Parameter *item, ParameterField field, const Checkpoint *c, const StoredTensor *t,
                     Error *err)
{
    char found[128], expected[128];
    if (!t->real_valued || !shape_equal(&t->shape, &item->shape))
        return error_set_status(err, STATUS_MISMATCH, "%s: tensor %s is %s %s, expected real values %s", checkpoint_file(c, t),
                                t->name, t->dtype, shape_text(&t->shape, found), shape_text(&item->shape, expected));
    real *to = field_of(item, field);
    if (!to)
        bug("parameter %s has no moments yet", item->name);
    size_t n = tensor_size(&item->value);
    real *host = xmalloc(n * sizeof *host);
    stored_read(t, 0, n, DTYPE_REAL, host);
    p->kernels->upload(to, host, n * sizeof *host);
    free(host);
    return true;
}

bool parameters_load(Parameters *p, const char *group, ParameterField field, const char *prefix, const Checkpoint *c,
                     bool missing_ok, Error *err)
{
    bool ok = true;
    for (size_t i = 0; ok && i < p->count; i++) {
        if (!in_group(p->items[i], group))
            continue;
        char *name = xasprintf("%s%s", prefix, p->items[i]->name);
        const StoredTensor *t = checkpoint_find(c, name);
        if (t)
            ok = load_one(p, p->items[i], field, c, t, err);
        else if (!missing_ok)
            ok = error_set_status(err, STATUS_MISMATCH, "%s: no tensor %s", checkpoint_path(c), name);
        free(name);
    }
    return ok;
}

static TensorSource *new_source(TensorSources *s, char *name)
{
    s->items = array_reserve(s->items, &s->capacity, s->count + 1, sizeof s->items[0]);
    TensorSource *source = &s->items[s->count++];
    *source = (TensorSource){.name = name};
    return source;
}

void parameters_sources(const Parameters *p, const char *group, ParameterField field, const char *prefix, TensorSources *out)
{
    for (size_t i = 0; i < p->count; i++) {
        const Parameter *item = p->items[i];
        if (!in_group(item, group))
            continue;
        TensorSource *s = new_source(out, xasprintf("%s%s", prefix, item->name));
        s->shape = item->shape;
        s->dtype = dtype_name(DTYPE_REAL);
        s->type = DTYPE_REAL;
        s->data = field_of(item, field);
        s->device = p->kernels;
        if (!s->data)
            bug("parameter %s has no moments yet", item->name);
    }
}

void sources_add(TensorSources *s, const char *name, Shape shape, const char *dtype, DType type, const void *data)
{
    TensorSource *source = new_source(s, xstrdup(name));
    source->shape = shape;
    source->dtype = dtype;
    source->type = type;
    source->data = data;
}

void sources_release(TensorSources *s)
{
    for (size_t i = 0; i < s->count; i++)
        free((char *)(uintptr_t)s->items[i].name);
    free(s->items);
    *s = (TensorSources){0};
}
