/* What the ops share; not for others. */
#ifndef TENSOR_OP_H
#define TENSOR_OP_H

#include "tensor/ops.h"

/* Whether a gradient is wanted, be its memory there or not. NULL is fine. */
static inline bool has_grad(const Tensor *t)
{
    return t && (t->grad || t->grad_later);
}

/* An op that nobody reads x after may put its result there: nothing is recorded that needs x again. */
static inline bool op_may_overwrite(const Tape *t, const Tensor *x)
{
    return !tape_recording(t) && !has_grad(x);
}

/* n items copied onto the tape's host memory. */
void *op_copy(Tape *t, const void *items, size_t n, size_t size);

/* A bug() naming what is wrong unless `found` is `expected`. */
void op_expect(const char *op, const char *what, size_t found, size_t expected);

/* An activation or trained parameter: of type `real`. */
void op_expect_real(const char *op, const Tensor *t);

#endif
