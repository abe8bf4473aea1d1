/* Kernels that move whole rows, in plain C: embed, gather, scatter, means of rows. */
#include "tensor/cpu/plain/plain.h"

#include <string.h>

typedef struct Embed {
    real *y;
    DType type;
    const char *table;
    const int32_t *ids;
    size_t cols;
} Embed;

static void embed_row(const void *context, size_t i)
{
    const Embed *e = context;
    dtype_convert(DTYPE_REAL, e->y + i * e->cols, e->type, e->table + (size_t)e->ids[i] * e->cols * dtype_size(e->type), e->cols);
}

static void embed(real *y, DType type, const void *table, const int32_t *ids, size_t n, size_t cols)
{
    rows_run(embed_row, &(Embed){y, type, table, ids, cols}, n, cols);
}

static void row_add(real *y, const real *x, size_t n)
{
    for (size_t j = 0; j < n; j++)
        y[j] += x[j];
}

static void embed_backward(real *dtable, const real *dy, const int32_t *ids, size_t n, size_t cols)
{
    for (size_t i = 0; i < n; i++)
        row_add(dtable + (size_t)ids[i] * cols, dy + i * cols, cols);
}

typedef struct Gather {
    real *y;
    const real *const *sources;
    const RowRef *refs;
    size_t cols;
} Gather;

static void gather_row(const void *context, size_t i)
{
    const Gather *g = context;
    memcpy(g->y + i * g->cols, g->sources[g->refs[i].source] + g->refs[i].row * g->cols, g->cols * sizeof *g->y);
}

static void gather(real *y, const real *const *sources, const RowRef *refs, size_t n, size_t cols)
{
    rows_run(gather_row, &(Gather){y, sources, refs, cols}, n, cols);
}

static void gather_backward(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols)
{
    for (size_t i = 0; i < n; i++)
        if (dsources[refs[i].source])
            row_add(dsources[refs[i].source] + refs[i].row * cols, dy + i * cols, cols);
}

typedef struct Scatter {
    real *dst;
    const real *src;
    const size_t *rows;
    size_t cols;
} Scatter;

static void scatter_row(const void *context, size_t i)
{
    const Scatter *s = context;
    memcpy(s->dst + s->rows[i] * s->cols, s->src + i * s->cols, s->cols * sizeof *s->dst);
}

static void scatter(real *dst, const real *src, const size_t *rows, size_t n, size_t cols)
{
    rows_run(scatter_row, &(Scatter){dst, src, rows, cols}, n, cols);
}

/* Sums of one column after the other, in double. */
static void mean_rows(real *y, const real *x, const size_t *first, const size_t *count, size_t n, size_t cols)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < cols; j++) {
            double sum = 0;
            for (size_t r = first[i]; r < first[i] + count[i]; r++)
                sum += (double)x[r * cols + j];
            y[i * cols + j] = (real)(sum / (double)count[i]);
        }
}

static void mean_rows_backward(real *dx, const real *dy, const size_t *first, const size_t *count, size_t n, size_t cols)
{
    for (size_t i = 0; i < n; i++)
        for (size_t r = first[i]; r < first[i] + count[i]; r++)
            for (size_t j = 0; j < cols; j++)
                dx[r * cols + j] += dy[i * cols + j] / (real)count[i];
}

void plain_rows_fill(Kernels *k)
{
    k->embed = embed;
    k->embed_backward = embed_backward;
    k->gather = gather;
    k->gather_backward = gather_backward;
    k->scatter = scatter;
    k->mean_rows = mean_rows;
    k->mean_rows_backward = mean_rows_backward;
}
