/* The double build has the plain table alone; see variants.h. */
#include "tensor/cpu/vec/variants.h"

static const char *lacks_nothing(void)
{
    return NULL;
}

const Variant *variants_all(size_t *n)
{
    static const Variant plain = {"plain", NULL, lacks_nothing, false};
    *n = 1;
    return &plain;
}

size_t variants_emulated(const Kernels **tables, size_t max)
{
    (void)tables, (void)max;
    return 0;
}
