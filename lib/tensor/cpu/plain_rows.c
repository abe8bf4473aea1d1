/* Kernels that move whole rows, in plain C: embed, gather, scatter, means of rows. */
#include "tensor/cpu/plain.h"

#include <string.h>

#include "base/pool.h"

/* n rows to be written, each by itself: where row i comes from is the mover's business. */
typedef struct RowMoves RowMoves;
struct RowMoves {
    void (*move)(const RowMoves *w, size_t i);
    real *to;
    DType type;
    const void *table;
    const int32_t *ids;
    const real *const *sources;
    const RowRef *refs;
    const real *from;
    const size_t *rows;
    size_t n, cols, size; /* size: rows of a part */
};

static void moves_part(void *context, size_t part)
{
    const RowMoves *w = context;
    for (size_t i = part * w->size; i < size_min(w->n, (part + 1) * w->size); i++)
        w->move(w, i);
}

static void moves_run(RowMoves *w)
{
    w->size = ELEMENTS_PER_PART / (w->cols ? w->cols : 1) + 1;
    pool_run(moves_part, w, (w->n + w->size - 1) / w->size);
}

static void embed_row(const RowMoves *w, size_t i)
{
    const char *row = (const char *)w->table + (size_t)w->ids[i] * w->cols * dtype_size(w->type);
    dtype_convert(DTYPE_REAL, w->to + i * w->cols, w->type, row, w->cols);
}

static void embed(real *y, DType type, const void *table, const int32_t *ids, size_t n, size_t cols)
{
    moves_run(&(RowMoves){.move = embed_row, .to = y, .type = type, .table = table, .ids = ids, .n = n, .cols = cols});
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

static void gather_row(const RowMoves *w, size_t i)
{
    memcpy(w->to + i * w->cols, w->sources[w->refs[i].source] + w->refs[i].row * w->cols, w->cols * sizeof *w->to);
}

static void gather(real *y, const real *const *sources, const RowRef *refs, size_t n, size_t cols)
{
    moves_run(&(RowMoves){.move = gather_row, .to = y, .sources = sources, .refs = refs, .n = n, .cols = cols});
}

static void gather_backward(real *const *dsources, const real *dy, const RowRef *refs, size_t n, size_t cols)
{
    for (size_t i = 0; i < n; i++)
        if (dsources[refs[i].source])
            row_add(dsources[refs[i].source] + refs[i].row * cols, dy + i * cols, cols);
}

static void scatter_row(const RowMoves *w, size_t i)
{
    memcpy(w->to + w->rows[i] * w->cols, w->from + i * w->cols, w->cols * sizeof *w->to);
}

static void scatter(real *dst, const real *src, const size_t *rows, size_t n, size_t cols)
{
    moves_run(&(RowMoves){.move = scatter_row, .to = dst, .from = src, .rows = rows, .n = n, .cols = cols});
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
