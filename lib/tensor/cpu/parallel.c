/* Work shared among threads; see parallel.h. */
#include "tensor/cpu/parallel.h"

#include "base/pool.h"

size_t part_size(size_t n, size_t grain, size_t most)
{
    size_t threads = (size_t)pool_threads();
    size_t rounds = (n + threads * most - 1) / (threads * most);
    size_t parts = threads * (rounds ? rounds : 1);
    size_t size = (n + parts - 1) / parts;
    size = (size + grain - 1) / grain * grain;
    return size ? size : grain;
}

typedef struct Elements {
    ElementRun *run;
    real *y;
    const real *a, *b;
    double c;
    size_t n;
} Elements;

static void elements_part(void *context, size_t part)
{
    const Elements *e = context;
    size_t at = part * ELEMENTS_PER_PART;
    e->run(e->y + at, e->a ? e->a + at : NULL, e->b ? e->b + at : NULL, e->c, size_min(ELEMENTS_PER_PART, e->n - at));
}

void elements_run(ElementRun *run, real *y, const real *a, const real *b, double c, size_t n)
{
    Elements e = {run, y, a, b, c, n};
    pool_run(elements_part, &e, (n + ELEMENTS_PER_PART - 1) / ELEMENTS_PER_PART);
}

typedef struct Rows {
    RowRun *row;
    const void *context;
    size_t rows, size; /* size: rows of a part */
} Rows;

static void rows_part(void *context, size_t part)
{
    const Rows *r = context;
    for (size_t i = part * r->size; i < size_min(r->rows, (part + 1) * r->size); i++)
        r->row(r->context, i);
}

void rows_run(RowRun *row, const void *context, size_t rows, size_t cols)
{
    Rows r = {row, context, rows, ELEMENTS_PER_PART / (cols ? cols : 1) + 1};
    pool_run(rows_part, &r, (rows + r.size - 1) / r.size);
}
