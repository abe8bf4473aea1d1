/* Sums of gradients as integers, in plain C. */
#include "tensor/cpu/plain/plain.h"

#include <math.h>

#include "base/pool.h"
#include "tensor/cpu/scratch.h"

typedef struct Integers {
    int64_t *sums, most;
    const real *x;
    double *worst; /* of each part; 0: all fit */
    size_t n;
} Integers;

/* The sum with one number more. What does not fit is kept in *worst, and adds nothing. */
static int64_t with_number(int64_t sum, double x, int64_t most, double *worst)
{
    int64_t more;
    if (!(fabs(x) < INTEGERS_RANGE)) {
        *worst = x;
        return sum;
    }
    if (__builtin_add_overflow(sum, (int64_t)llrint(x * INTEGERS_SCALE), &more) || more > most || more < -most) {
        *worst = (double)sum / INTEGERS_SCALE + x;
        return sum;
    }
    return more;
}

static void add_part(void *context, size_t part)
{
    const Integers *s = context;
    const size_t at = part * ELEMENTS_PER_PART, end = size_min(s->n, at + ELEMENTS_PER_PART);
    s->worst[part] = 0;
    for (size_t i = at; i < end; i++)
        s->sums[i] = with_number(s->sums[i], (double)s->x[i], s->most, &s->worst[part]);
}

static void integers_add(int64_t *sums, const real *x, size_t n, int64_t most, double *worst)
{
    const size_t parts = (n + ELEMENTS_PER_PART - 1) / ELEMENTS_PER_PART;
    Integers s = {sums, most, x, scratch(SCRATCH_ROWS, parts * sizeof *s.worst), n};
    pool_run(add_part, &s, parts);
    for (size_t i = 0; i < parts; i++)
        if (s.worst[i] != 0)
            *worst = s.worst[i];
}

typedef struct Reals {
    real *x;
    const int64_t *sums;
    size_t n;
} Reals;

static void get_part(void *context, size_t part)
{
    const Reals *r = context;
    const size_t at = part * ELEMENTS_PER_PART, end = size_min(r->n, at + ELEMENTS_PER_PART);
    for (size_t i = at; i < end; i++)
        r->x[i] = (real)((double)r->sums[i] / INTEGERS_SCALE);
}

static void integers_get(real *x, const int64_t *sums, size_t n)
{
    Reals r = {x, sums, n};
    pool_run(get_part, &r, (n + ELEMENTS_PER_PART - 1) / ELEMENTS_PER_PART);
}

static bool idle(void)
{
    return true;
}

void plain_integers_fill(Kernels *k)
{
    k->integers_add = integers_add;
    k->integers_get = integers_get;
    k->idle = idle;
}
