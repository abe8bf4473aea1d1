/* Elementwise ops: gelu, relu, add. */
#include "tensor/op.h"

typedef struct ElementNode {
    const Tensor *a, *b, *y;
} ElementNode;

static void element_node(Tape *t, void (*backward)(Tape *, void *), const Tensor *a, const Tensor *b, const Tensor *y)
{
    if (!has_grad(y) || !tape_recording(t))
        return;
    ElementNode *n = tape_alloc(t, sizeof *n);
    *n = (ElementNode){a, b, y};
    tape_node(t, backward, n);
}

static void gelu_backward(Tape *t, void *context)
{
    const ElementNode *n = context;
    tape_kernels(t)->gelu_backward(n->a->grad, n->y->grad, n->a->data, tensor_size(n->a));
}

Tensor *op_gelu_inplace(Tape *t, Tensor *x)
{
    op_expect_real("gelu", x);
    Tensor *y = op_may_overwrite(t, x) ? x : tape_tensor(t, x->rows, x->cols, has_grad(x));
    tape_kernels(t)->gelu(y->data, x->data, tensor_size(x));
    element_node(t, gelu_backward, x, NULL, y);
    return y;
}

static void relu_backward(Tape *t, void *context)
{
    const ElementNode *n = context;
    tape_kernels(t)->relu_backward(n->y->grad, n->y->data, tensor_size(n->y));
}

Tensor *op_relu_inplace(Tape *t, Tensor *x)
{
    op_expect_real("relu", x);
    tape_kernels(t)->relu(x->data, x->data, tensor_size(x));
    element_node(t, relu_backward, NULL, NULL, x);
    return x;
}

static void add_backward(Tape *t, void *context)
{
    const ElementNode *n = context;
    if (has_grad(n->a))
        tape_kernels(t)->axpy(n->a->grad, 1, n->y->grad, tensor_size(n->y));
    if (has_grad(n->b))
        tape_kernels(t)->axpy(n->b->grad, 1, n->y->grad, tensor_size(n->y));
}

Tensor *op_add(Tape *t, const Tensor *a, const Tensor *b)
{
    op_expect_real("add", a);
    op_expect_real("add", b);
    op_expect("add", "rows of b", b->rows, a->rows);
    op_expect("add", "columns of b", b->cols, a->cols);
    Tensor *y = tape_tensor(t, a->rows, a->cols, has_grad(a) || has_grad(b));
    tape_kernels(t)->add(y->data, a->data, b->data, tensor_size(a));
    element_node(t, add_backward, a, b, y);
    return y;
}
