/* The base captioner's trained parts; see reference.h. */
#include "update/reference.h"

#include <stdlib.h>

static size_t bytes_of(const Parameter *p)
{
    return tensor_size(&p->value) * sizeof(real);
}

void reference_keep(Reference *r, const Parameters *p)
{
    *r = (Reference){xcalloc(p->count + 1, sizeof *r->values), p->count};
    for (size_t i = 0; i < r->n; i++) {
        r->values[i] = p->kernels->memory_new(bytes_of(p->items[i]));
        p->kernels->copy(r->values[i], p->items[i]->value.data, bytes_of(p->items[i]));
    }
}

void reference_release(Reference *r, const Kernels *kernels)
{
    for (size_t i = 0; i < r->n; i++)
        kernels->memory_free(r->values[i]);
    free(r->values);
    *r = (Reference){0};
}

/* In place, since others point at the set's values. */
void reference_swap(Reference *r, const Parameters *p)
{
    size_t most = 0;
    for (size_t i = 0; i < r->n; i++)
        most = bytes_of(p->items[i]) > most ? bytes_of(p->items[i]) : most;
    real *between = p->kernels->memory_new(most ? most : sizeof *between);
    for (size_t i = 0; i < r->n; i++) {
        const size_t bytes = bytes_of(p->items[i]);
        p->kernels->copy(between, p->items[i]->value.data, bytes);
        p->kernels->copy(p->items[i]->value.data, r->values[i], bytes);
        p->kernels->copy(r->values[i], between, bytes);
    }
    p->kernels->memory_free(between);
}
