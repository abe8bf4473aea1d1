/* What the ops share; see op.h. */
#include "tensor/op.h"

#include <string.h>

void *op_copy(Tape *t, const void *items, size_t n, size_t size)
{
    void *copy = tape_alloc(t, n * size);
    if (n > 0)
        memcpy(copy, items, n * size);
    return copy;
}

void op_expect(const char *op, const char *what, size_t found, size_t expected)
{
    if (found != expected)
        bug("%s: %s is %zu, expected %zu", op, what, found, expected);
}

void op_expect_real(const char *op, const Tensor *t)
{
    if (t->type != DTYPE_REAL)
        bug("%s: an activation is %s, expected %s", op, dtype_name(t->type), dtype_name(DTYPE_REAL));
}
