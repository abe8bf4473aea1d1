/* Which CPU tables this processor can run, and how one is chosen; see kernels.h. */
#include "tensor/kernels.h"

#include <stdlib.h>
#include <string.h>

#include "tensor/cpu/blas.h"
#include "tensor/cpu/plain/plain.h"
#include "tensor/cpu/vec/variants.h"

enum { MAX_VARIANTS = 8 };

/* The table of variant v; its products by `compute`, which is not AUTO. Made once. */
static const Kernels *table_of(size_t v, Compute compute)
{
    static Kernels tables[MAX_VARIANTS][2];
    static bool made[MAX_VARIANTS][2];
    size_t n, c = compute == COMPUTE_BF16;
    const Variant *variants = variants_all(&n);
    if (n > MAX_VARIANTS)
        bug("%zu variants", n);
    Kernels *t = &tables[v][c];
    if (!made[v][c]) {
        blas_init();
        plain_fill(t, compute);
        for (size_t i = 1; i <= v; i++)
            variants[i].fill(t);
        t->name = variants[v].name;
        made[v][c] = true;
    }
    return t;
}

static size_t variant_best(void)
{
    size_t n, best = 0;
    const Variant *variants = variants_all(&n);
    while (best + 1 < n && !variants[best + 1].lacks())
        best++;
    return best;
}

static size_t variant_named(const char *name)
{
    size_t n;
    const Variant *variants = variants_all(&n);
    for (size_t v = 0; v < n; v++) {
        if (strcmp(variants[v].name, name) != 0)
            continue;
        for (size_t i = 0; i <= v; i++)
            if (variants[i].lacks())
                die_status(STATUS_USAGE, "VLRM_CPU=%s: this processor has no %s", name, variants[i].lacks());
        return v;
    }
    char known[256] = "";
    for (size_t v = 0; v < n; v++) {
        strcat(known, v ? ", " : "");
        strcat(known, variants[v].name);
    }
    die_status(STATUS_USAGE, "VLRM_CPU=%s: not one of %s", name, known);
}

const Kernels *kernels_cpu(Compute compute)
{
    const char *name = getenv("VLRM_CPU");
    size_t n, v = name && *name ? variant_named(name) : variant_best();
    if (compute == COMPUTE_AUTO)
        compute = variants_all(&n)[v].native_bf16 ? COMPUTE_BF16 : COMPUTE_F32;
    return table_of(v, compute);
}

size_t kernels_cpu_all(const Kernels **tables, size_t max)
{
    size_t n = 0;
    for (size_t v = 0; v <= variant_best(); v++) {
        for (Compute c = COMPUTE_F32; c <= COMPUTE_BF16; c++)
            if (n < max)
                tables[n++] = table_of(v, c);
        if (v == 0)
            n += variants_emulated(tables + n, max - n);
    }
    return n;
}
