/*
 * Row-wise normalisation: layer norm (Ba et al. 2016, https://arxiv.org/abs/1607.06450), RMS norm (Zhang and Sennrich 2019,
 * https://arxiv.org/abs/1910.07467) and unit length.
 */
#include "tensor/op.h"

typedef struct NormNode {
    const Tensor *x, *y;
    const Norm *norm;          /* NULL for unit length */
    const Tensor *mean, *rstd; /* [rows, 1]; unit length keeps |x| in rstd, an RMS norm has no mean */
} NormNode;

static void layernorm_backward(Tape *t, void *context)
{
    const NormNode *n = context;
    tape_kernels(t)->layernorm_backward(n->x->grad, n->norm->gamma.grad, n->norm->beta.grad, n->y->grad, n->x->data,
                                        n->mean->data, n->rstd->data, n->norm->gamma.data, n->x->rows, n->x->cols);
}

static void rmsnorm_backward(Tape *t, void *context)
{
    const NormNode *n = context;
    tape_kernels(t)->rmsnorm_backward(n->x->grad, n->norm->gamma.grad, n->y->grad, n->x->data, n->rstd->data, n->norm->gamma.data,
                                      n->x->rows, n->x->cols);
}

Tensor *op_norm(Tape *t, const Tensor *x, const Norm *norm)
{
    const bool rms = tensor_size(&norm->beta) == 0;
    op_expect_real("norm", x);
    op_expect("norm", "size of gamma", tensor_size(&norm->gamma), x->cols);
    if (!rms)
        op_expect("norm", "size of beta", tensor_size(&norm->beta), x->cols);
    bool leads = has_grad(x) || has_grad(&norm->gamma) || has_grad(&norm->beta);
    Tensor *y = tape_tensor(t, x->rows, x->cols, leads);
    const Tensor *mean = rms ? NULL : tape_tensor(t, x->rows, 1, false), *rstd = tape_tensor(t, x->rows, 1, false);
    const Kernels *k = tape_kernels(t);
    if (rms)
        k->rmsnorm(y->data, rstd->data, x->data, norm->gamma.data, norm->eps, x->rows, x->cols);
    else
        k->layernorm(y->data, mean->data, rstd->data, x->data, norm->gamma.data, norm->beta.data, norm->eps, x->rows, x->cols);
    if (leads && tape_recording(t)) {
        NormNode *n = tape_alloc(t, sizeof *n);
        *n = (NormNode){x, y, norm, mean, rstd};
        tape_node(t, rms ? rmsnorm_backward : layernorm_backward, n);
    }
    return y;
}

static void normalise_backward(Tape *t, void *context)
{
    const NormNode *n = context;
    tape_kernels(t)->normalise_backward(n->x->grad, n->y->grad, n->y->data, n->rstd->data, n->x->rows, n->x->cols);
}

Tensor *op_normalise(Tape *t, const Tensor *x)
{
    op_expect_real("normalise", x);
    Tensor *y = tape_tensor(t, x->rows, x->cols, has_grad(x));
    const Tensor *length = tape_tensor(t, x->rows, 1, false);
    tape_kernels(t)->normalise(y->data, length->data, x->data, x->rows, x->cols);
    if (has_grad(x) && tape_recording(t)) {
        NormNode *n = tape_alloc(t, sizeof *n);
        *n = (NormNode){.x = x, .y = y, .rstd = length};
        tape_node(t, normalise_backward, n);
    }
    return y;
}
