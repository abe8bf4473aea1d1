/* Memory of the CPU tables: the host's own; see plain.h. */
#include "tensor/cpu/plain/plain.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

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
