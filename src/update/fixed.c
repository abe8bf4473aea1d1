/* Gradients as integers; see fixed.h. */
#include "update/fixed.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/pool.h"

static const double scale = 0x1p50, range = 0x1p13;

/* Values on their way between device and host at a time, and those that a thread takes of them. */
enum { PIECE = 1 << 22, PART = 1 << 14 };

void fixed_begin(FixedSum *s, const Parameters *p)
{
    const size_t n = parameters_count(p, NULL);
    if (!s->values) {
        s->values = xmalloc((n + 1) * sizeof *s->values);
        s->host = xmalloc(size_min(n + 1, PIECE) * sizeof *s->host);
    }
    memset(s->values, 0, n * sizeof *s->values);
    s->n = n;
    s->outside = NULL;
}

void fixed_release(FixedSum *s)
{
    free(s->values);
    free(s->host);
    *s = (FixedSum){0};
}

/* ---- one piece ---- */

typedef struct Piece {
    int64_t *sums;
    real *gradient;
    size_t n;
    double *worst; /* of each part: the gradient, or sum, that is out of range; 0: none */
} Piece;

/* The sum with one gradient more. Out of range is kept in *worst, and adds nothing. */
static int64_t with_gradient(int64_t sum, double g, double *worst)
{
    int64_t more;
    if (!(fabs(g) < range)) {
        *worst = g;
        return sum;
    }
    if (__builtin_add_overflow(sum, (int64_t)llrint(g * scale), &more)) {
        *worst = (double)sum / scale + g;
        return sum;
    }
    return more;
}

static void add_part(void *context, size_t part)
{
    const Piece *p = context;
    const size_t end = size_min(p->n, (part + 1) * PART);
    for (size_t i = part * PART; i < end; i++)
        p->sums[i] = with_gradient(p->sums[i], (double)p->gradient[i], &p->worst[part]);
}

static void give_part(void *context, size_t part)
{
    const Piece *p = context;
    const size_t end = size_min(p->n, (part + 1) * PART);
    for (size_t i = part * PART; i < end; i++)
        p->gradient[i] = (real)((double)p->sums[i] / scale);
}

static size_t parts_of(size_t n)
{
    return (n + PART - 1) / PART;
}

/* ---- all parameters, in pieces ---- */

/* Of `item`, whose sums these are: its gradient's values from `at` on are added. */
static void take_piece(FixedSum *s, const Parameters *p, const Parameter *item, int64_t *sums, size_t at, size_t n)
{
    double worst[PIECE / PART];
    memset(worst, 0, sizeof worst);
    p->kernels->download(s->host, item->value.grad + at, n * sizeof *s->host);
    pool_run(add_part, &(Piece){sums + at, s->host, n, worst}, parts_of(n));
    for (size_t i = 0; i < parts_of(n); i++)
        if (worst[i] != 0 && !s->outside) {
            s->outside = item->name;
            s->largest = worst[i];
        }
}

void fixed_take(FixedSum *s, const Parameters *p)
{
    int64_t *sums = s->values;
    for (size_t i = 0; i < p->count; i++) {
        const Parameter *item = p->items[i];
        const size_t n = tensor_size(&item->value);
        for (size_t at = 0; at < n; at += PIECE)
            take_piece(s, p, item, sums, at, size_min(PIECE, n - at));
        p->kernels->zero(item->value.grad, n * sizeof(real));
        sums += n;
    }
}

static void give_back(const FixedSum *s, const Parameters *p)
{
    int64_t *sums = s->values;
    for (size_t i = 0; i < p->count; i++) {
        const Parameter *item = p->items[i];
        const size_t n = tensor_size(&item->value);
        for (size_t at = 0; at < n; at += PIECE) {
            const size_t piece = size_min(PIECE, n - at);
            pool_run(give_part, &(Piece){sums + at, s->host, piece, NULL}, parts_of(piece));
            p->kernels->upload(item->value.grad + at, s->host, piece * sizeof *s->host);
        }
        sums += n;
    }
}

/* ---- all ranks ---- */

/* A sum that ranks may have in common without that theirs overflows. */
static void check_sums(FixedSum *s, const Parameters *p, size_t ranks)
{
    const int64_t most = INT64_MAX / (int64_t)ranks;
    size_t at = 0;
    for (size_t i = 0; i < p->count && !s->outside && ranks > 1; i++)
        for (size_t end = at + tensor_size(&p->items[i]->value); at < end && !s->outside; at++)
            if (s->values[at] > most || s->values[at] < -most) {
                s->outside = p->items[i]->name;
                s->largest = (double)s->values[at] / scale;
            }
}

bool fixed_end(FixedSum *s, const Parameters *p, Ranks *ranks, Error *err)
{
    const size_t size = ranks_size(ranks);
    check_sums(s, p, size);
    int64_t outside = s->outside != NULL;
    ranks_sum(ranks, "word of gradients in range", &outside, 1);
    if (s->outside)
        return error_set_status(err, STATUS_CHECK, "the gradient of %s is %g, expected within +-%g, the range of integer sums%s",
                                s->outside, s->largest, range / (double)size, isfinite(s->largest) ? " (--block 0)" : "");
    if (outside > 0)
        return error_set_status(err, STATUS_CHECK, "another rank has a gradient out of the range of integer sums");
    ranks_sum(ranks, "gradients", s->values, s->n);
    give_back(s, p);
    return true;
}
