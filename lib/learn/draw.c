/* Initial values of parameters; see draw.h. */
#include "learn/draw.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/pool.h"
#include "base/random.h"

#define PART 65536 /* values drawn by one piece of work */

typedef struct DrawWork {
    real *out;
    size_t n;
    double limit;
    uint64_t seed, key;
} DrawWork;

static void draw_part(void *context, size_t part)
{
    const DrawWork *w = context;
    size_t end = (part + 1) * PART < w->n ? (part + 1) * PART : w->n;
    for (size_t i = part * PART; i < end; i++)
        w->out[i] = (real)(w->limit * (2 * random_uniform(w->seed, 0, w->key, (uint32_t)i) - 1));
}

void draw_uniform(const Parameters *p, Parameter *item, double limit, uint64_t seed)
{
    const size_t n = tensor_size(&item->value);
    if (n > UINT32_MAX)
        bug("parameter %s has too many values to draw", item->name);
    DrawWork work = {xmalloc(n * sizeof(real)), n, limit, seed, hash_id(item->name, strlen(item->name))};
    pool_run(draw_part, &work, (n + PART - 1) / PART);
    parameter_set(p, item, work.out);
    free(work.out);
}

void draw_constant(const Parameters *p, Parameter *item, double value)
{
    const size_t n = tensor_size(&item->value);
    real *host = xmalloc(n * sizeof *host);
    for (size_t i = 0; i < n; i++)
        host[i] = (real)value;
    parameter_set(p, item, host);
    free(host);
}
