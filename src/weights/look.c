/* vlrm-weights list, digest and compare. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/pool.h"
#include "base/progress.h"
#include "weights/weights.h"

int weights_list(const char *path)
{
    Checkpoint *c = weights_open(path);
    char shape[128];
    for (size_t i = 0; i < checkpoint_count(c); i++) {
        const StoredTensor *t = checkpoint_get(c, i);
        printf("%s\t%s\t%s\t%zu\n", t->name, t->dtype, shape_text(&t->shape, shape), t->bytes);
    }
    checkpoint_free(c);
    return STATUS_CLEAN;
}

static bool has_name(const Checkpoint *c, const char *prefix)
{
    for (size_t i = 0; i < checkpoint_count(c); i++)
        if (strncmp(checkpoint_get(c, i)->name, prefix, strlen(prefix)) == 0)
            return true;
    return false;
}

int weights_digest(const char *path, const char *const *prefixes, size_t n)
{
    Checkpoint *c = weights_open(path);
    for (size_t i = 0; i < n; i++)
        if (!has_name(c, prefixes[i]))
            die("%s: no tensor's name begins with %s", path, prefixes[i]);
    puts(digest_text(checkpoint_digest(c, prefixes, n)).text);
    checkpoint_free(c);
    return STATUS_CLEAN;
}

/* How far two tensors of one shape are apart (inf if a value is finite on one side only, or they are different infinities), and
 * the largest finite value of the first. */
typedef struct Distance {
    double difference, largest;
} Distance;

#define PART 1048576 /* values compared by one piece of work */

typedef struct CompareWork {
    const StoredTensor *a, *b;
    size_t n;
    Distance *parts;
} CompareWork;

static void compare_part(void *context, size_t part)
{
    const CompareWork *w = context;
    size_t first = part * PART, n = w->n - first < PART ? w->n - first : PART;
    double *a = xmalloc(2 * n * sizeof *a), *b = a + n;
    stored_read(w->a, first, n, DTYPE_F64, a);
    stored_read(w->b, first, n, DTYPE_F64, b);
    Distance d = {0};
    for (size_t i = 0; i < n; i++) {
        bool same = a[i] == b[i] || (isnan(a[i]) && isnan(b[i]));
        double difference = same ? 0 : fabs(a[i] - b[i]);
        d.difference = isnan(difference) ? INFINITY : fmax(d.difference, difference);
        d.largest = isfinite(a[i]) ? fmax(d.largest, fabs(a[i])) : d.largest;
    }
    w->parts[part] = d;
    free(a);
}

static Distance distance(const StoredTensor *a, const StoredTensor *b)
{
    size_t n = shape_size(&a->shape), parts = (n + PART - 1) / PART;
    CompareWork w = {a, b, n, xcalloc(parts + 1, sizeof *w.parts)};
    pool_run(compare_part, &w, parts);
    Distance d = {0};
    for (size_t i = 0; i < parts; i++) {
        d.difference = fmax(d.difference, w.parts[i].difference);
        d.largest = fmax(d.largest, w.parts[i].largest);
    }
    free(w.parts);
    return d;
}

/* True if alike; else says how not. */
static bool compare_tensors(const StoredTensor *a, const StoredTensor *b, double tolerance)
{
    char x[128], y[128];
    if (!shape_equal(&a->shape, &b->shape)) {
        printf("%s: shape %s, then %s\n", a->name, shape_text(&a->shape, x), shape_text(&b->shape, y));
        return false;
    }
    if (!a->real_valued || !b->real_valued) {
        bool same = strcmp(a->dtype, b->dtype) == 0 && memcmp(a->data, b->data, a->bytes) == 0;
        if (!same)
            printf("%s: %s and %s values differ\n", a->name, a->dtype, b->dtype);
        return same;
    }
    Distance d = distance(a, b);
    if (d.difference <= tolerance * d.largest)
        return true;
    printf("%s: differs by %g, largest value %g: relative %g, allowed %g\n", a->name, d.difference, d.largest,
           d.difference / d.largest, tolerance);
    return false;
}

int weights_compare(const char *path_a, const char *path_b, double tolerance)
{
    Checkpoint *a = weights_open(path_a), *b = weights_open(path_b);
    size_t differences = 0, i = 0, j = 0;
    uint64_t bytes = 0;
    for (size_t k = 0; k < checkpoint_count(a); k++)
        bytes += checkpoint_get(a, k)->bytes;
    progress_phase("compares", path_a, bytes);
    while (i < checkpoint_count(a) || j < checkpoint_count(b)) {
        const StoredTensor *x = i < checkpoint_count(a) ? checkpoint_get(a, i) : NULL;
        const StoredTensor *y = j < checkpoint_count(b) ? checkpoint_get(b, j) : NULL;
        int order = !x ? 1 : !y ? -1 : strcmp(x->name, y->name);
        if (x && order <= 0)
            progress_phase_done(x->bytes);
        progress_hide(); /* lines of stdout may come */
        if (order == 0)
            differences += !compare_tensors(x, y, tolerance);
        else
            differences += (size_t)(printf("%s: only in %s\n", order < 0 ? x->name : y->name, order < 0 ? path_a : path_b) > 0);
        i += order <= 0;
        j += order >= 0;
    }
    progress_phase_end();
    if (differences)
        warn("%zu tensors differ", differences);
    checkpoint_free(a);
    checkpoint_free(b);
    return differences ? STATUS_CHECK : STATUS_CLEAN;
}
