/* Gradients as integers; see fixed.h. */
#include "update/fixed.h"

#include <math.h>
#include <stdlib.h>

/* Integers on their way between device and host at a time. */
enum { PIECE = 1 << 22 };

void fixed_begin(FixedSum *s, const Parameters *p, size_t ranks)
{
    const Kernels *k = p->kernels;
    const size_t n = parameters_count(p, NULL);
    if (!s->values) {
        s->values = k->memory_new((n + 1) * sizeof *s->values);
        s->worst = k->memory_new((p->count + 1) * sizeof *s->worst);
        s->host = xmalloc(size_min(n + 1, PIECE) * sizeof *s->host);
    }
    k->zero(s->values, n * sizeof *s->values);
    k->zero(s->worst, p->count * sizeof *s->worst);
    s->n = n;
    s->most = INT64_MAX / (int64_t)ranks;
}

void fixed_release(FixedSum *s, const Kernels *kernels)
{
    if (s->values) {
        kernels->memory_free(s->values);
        kernels->memory_free(s->worst);
    }
    free(s->host);
    *s = (FixedSum){0};
}

void fixed_take(FixedSum *s, const Parameters *p)
{
    int64_t *sums = s->values;
    for (size_t i = 0; i < p->count; i++) {
        const Parameter *item = p->items[i];
        const size_t n = tensor_size(&item->value);
        p->kernels->integers_add(sums, item->value.grad, n, s->most, s->worst + i);
        p->kernels->zero(item->value.grad, n * sizeof(real));
        sums += n;
    }
}

static void give_back(const FixedSum *s, const Parameters *p)
{
    const int64_t *sums = s->values;
    for (size_t i = 0; i < p->count; i++) {
        const size_t n = tensor_size(&p->items[i]->value);
        p->kernels->integers_get(p->items[i]->value.grad, sums, n);
        sums += n;
    }
}

/* The first parameter that was out of range, and what it was; NULL: none. */
static const char *outside(const FixedSum *s, const Parameters *p, double *found)
{
    const char *name = NULL;
    double *worst = xmalloc((p->count + 1) * sizeof *worst);
    p->kernels->download(worst, s->worst, p->count * sizeof *worst);
    for (size_t i = 0; i < p->count && !name; i++)
        if (worst[i] != 0) {
            name = p->items[i]->name;
            *found = worst[i];
        }
    free(worst);
    return name;
}

static void sum_over_ranks(FixedSum *s, const Kernels *k, Ranks *ranks)
{
    if (ranks_sums_devices(ranks)) {
        ranks_sum_device(ranks, "gradients", s->values, s->n);
        return;
    }
    for (size_t at = 0; at < s->n && ranks_size(ranks) > 1; at += PIECE) {
        const size_t n = size_min(PIECE, s->n - at);
        k->download(s->host, s->values + at, n * sizeof *s->host);
        ranks_sum(ranks, "gradients", s->host, n);
        k->upload(s->values + at, s->host, n * sizeof *s->host);
    }
}

bool fixed_end(FixedSum *s, const Parameters *p, Ranks *ranks, Error *err)
{
    double found = 0;
    const char *name = outside(s, p, &found);
    int64_t any = name != NULL;
    ranks_sum(ranks, "word of gradients in range", &any, 1);
    if (name)
        return error_set_status(err, STATUS_CHECK, "the gradient of %s is %g, expected within +-%g, the range of integer sums%s",
                                name, found, INTEGERS_RANGE / (double)ranks_size(ranks), isfinite(found) ? " (--block 0)" : "");
    if (any > 0)
        return error_set_status(err, STATUS_CHECK, "another rank has a gradient out of the range of integer sums");
    sum_over_ranks(s, p->kernels, ranks);
    give_back(s, p);
    return true;
}
