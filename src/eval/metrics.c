/* Means, intervals and differences; see metrics.h. */
#include "eval/metrics.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/progress.h"
#include "base/random.h"
#include "eval/derived.h"

void metrics_init(Metrics *m, size_t units, size_t n)
{
    *m = (Metrics){.n = n, .units = units};
    m->names = xcalloc(n + 1, sizeof *m->names);
    m->ids = xcalloc(units + 1, sizeof *m->ids);
    m->values = xcalloc(units * n + 1, sizeof *m->values);
}

void metrics_release(Metrics *m)
{
    for (size_t i = 0; i < m->n && m->names; i++)
        free(m->names[i]);
    for (size_t i = 0; i < m->units && m->ids; i++)
        free(m->ids[i]);
    free(m->names);
    free(m->ids);
    free(m->values);
    *m = (Metrics){0};
}

size_t metrics_find(const Metrics *m, const char *name)
{
    for (size_t i = 0; i < m->n; i++)
        if (strcmp(m->names[i], name) == 0)
            return i;
    return SIZE_MAX;
}

static void add_row(double *sums, const Metrics *m, size_t row)
{
    for (size_t c = 0; c < m->n; c++)
        sums[c] += m->values[row * m->n + c];
}

static int compare_reals(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Of sorted values, linear between neighbours. */
static double quantile(const double *sorted, size_t n, double p)
{
    double at = p * (double)(n - 1);
    size_t i = (size_t)at;
    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

static double value_of_sums(const double *sums, const Metrics *m, size_t column, size_t derived)
{
    return derived == SIZE_MAX ? sums[column] / (double)m->units : derived_value(derived, m, sums);
}

void bootstrap(Interval *out, const Metrics *m, uint64_t seed, size_t resamples, double level)
{
    double *means = xcalloc((resamples + 1) * m->n + 1, sizeof *means), *column = xmalloc((resamples + 1) * sizeof *column);
    for (size_t i = 0; i < m->units; i++)
        add_row(means + resamples * m->n, m, i);
    progress_phase("draws", "resamples", resamples);
    for (size_t b = 0; b < resamples; b++) {
        for (size_t i = 0; i < m->units; i++)
            add_row(means + b * m->n, m, (size_t)random_below(seed, (uint32_t)b, 0, (uint32_t)i, m->units));
        progress_phase_done(1);
    }
    progress_phase_end();
    for (size_t c = 0; c < m->n; c++) {
        size_t derived = derived_find(m->names[c]);
        double mean = value_of_sums(means + resamples * m->n, m, c, derived);
        out[c] = (Interval){mean, mean, mean};
        for (size_t b = 0; b < resamples; b++)
            column[b] = value_of_sums(means + b * m->n, m, c, derived);
        if (resamples == 0)
            continue;
        qsort(column, resamples, sizeof *column, compare_reals);
        out[c].low = quantile(column, resamples, (1 - level) / 2);
        out[c].high = quantile(column, resamples, (1 + level) / 2);
    }
    free(means);
    free(column);
}

/* Where each id of b stands in it; STATUS_MISMATCH if ids of a and b are not the same. */
static bool pair_ids(size_t *pairs, const Metrics *a, const Metrics *b, Error *err)
{
    Places places = {0};
    bool ok = true;
    for (size_t i = 0; i < b->units; i++)
        places_add(&places, hash_id(b->ids[i], strlen(b->ids[i])), i);
    for (size_t i = 0; i < a->units && ok; i++) {
        pairs[i] = places_find(&places, hash_id(a->ids[i], strlen(a->ids[i])));
        if (pairs[i] == SIZE_MAX)
            ok = error_set_status(err, STATUS_MISMATCH,
                                  "image %s is not in the baseline: a paired comparison needs the same images", a->ids[i]);
    }
    if (ok && a->units != b->units)
        ok = error_set_status(err, STATUS_MISMATCH, "%zu images, the baseline has %zu: a paired comparison needs the same images",
                              a->units, b->units);
    places_release(&places);
    return ok;
}

/* A column of the difference: a's values, or minus b's, or b's alone. */
static void add_difference(Metrics *out, char *name, const Metrics *a, size_t of_a, const Metrics *b, size_t of_b,
                           const size_t *pairs)
{
    size_t width = 2 * a->n, at = out->n++;
    out->names[at] = name;
    for (size_t i = 0; i < a->units; i++) {
        double value = of_a == SIZE_MAX ? 0 : a->values[i * a->n + of_a];
        double base = of_b == SIZE_MAX ? 0 : b->values[pairs[i] * b->n + of_b];
        out->values[i * width + at] = of_a == SIZE_MAX ? base : value - base;
    }
}

bool metrics_difference(Metrics *out, const Metrics *a, const Metrics *b, Error *err)
{
    size_t *pairs = xmalloc((a->units + 1) * sizeof *pairs), width = 2 * a->n;
    bool ok = pair_ids(pairs, a, b, err);
    *out = (Metrics){0};
    if (ok) {
        metrics_init(out, a->units, width);
        out->n = 0;
        for (size_t c = 0; c < a->n; c++) {
            size_t other = metrics_find(b, a->names[c]);
            if (other == SIZE_MAX)
                continue;
            bool part = column_is_part(a->names[c]);
            add_difference(out, xstrdup(a->names[c]), a, c, b, part ? SIZE_MAX : other, pairs);
            if (part)
                add_difference(out, xasprintf("~%s", a->names[c]), a, SIZE_MAX, b, other, pairs);
        }
        for (size_t i = 0; i < a->units; i++) {
            out->ids[i] = xstrdup(a->ids[i]);
            memmove(out->values + i * out->n, out->values + i * width, out->n * sizeof *out->values);
        }
    }
    free(pairs);
    return ok;
}
