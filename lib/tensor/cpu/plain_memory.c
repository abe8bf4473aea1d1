/* Memory of the CPU tables: the host's own. And how work is split; see plain.h. */
#include "tensor/cpu/plain.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/pool.h"

/* Blocks from here on lie on pages of 2 MiB, if the system has them: first touched in small ones, the 6 GB of parameters,
 * gradients and moments of the true size cost more time in the kernel than Adam. */
enum { HUGE_PAGE = 2 << 20, HUGE_FROM = 2 * HUGE_PAGE };

static void *plain_memory_new(size_t bytes)
{
    size_t align = bytes >= HUGE_FROM ? HUGE_PAGE : 64, size = bytes ? (bytes + 63) / 64 * 64 : 64;
    void *p = aligned_alloc(align, align == HUGE_PAGE ? (size + align - 1) / align * align : size);
    if (!p)
        die_status(STATUS_MEMORY, "out of memory: %zu bytes asked for", bytes);
    if (align == HUGE_PAGE)
        (void)madvise(p, size / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish: refused, it is slower */
    return p;
}

static void plain_memory_free(void *p)
{
    free(p);
}

static void plain_copy(void *dst, const void *src, size_t bytes)
{
    if (bytes > 0)
        memcpy(dst, src, bytes);
}

/* Gradients are zeroed by the gigabyte: all threads write. */
static void zero_run(real *y, const real *a, const real *b, double c, size_t n)
{
    (void)a, (void)b, (void)c;
    memset(y, 0, n * sizeof *y);
}

static void plain_zero(void *p, size_t bytes)
{
    size_t n = bytes / sizeof(real), rest = bytes % sizeof(real);
    elements_run(zero_run, p, NULL, NULL, 0, n);
    if (rest > 0)
        memset((real *)p + n, 0, rest);
}

static const void *plain_weights(const void *host, size_t bytes)
{
    (void)bytes;
    return host;
}

void plain_memory_fill(Kernels *k)
{
    k->memory_new = plain_memory_new;
    k->memory_free = plain_memory_free;
    k->upload = plain_copy;
    k->download = plain_copy;
    k->copy = plain_copy;
    k->zero = plain_zero;
    k->weights = plain_weights;
}

void plain_fill(Kernels *k, Compute compute)
{
    k->compute = compute;
    plain_memory_fill(k);
    plain_matmul_fill(k, compute);
    plain_norm_fill(k);
    plain_elementwise_fill(k);
    plain_attention_fill(k);
    plain_rows_fill(k);
    plain_logits_fill(k);
    plain_optimizer_fill(k);
}

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
