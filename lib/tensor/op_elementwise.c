/* Elementwise ops: gelu, quick_gelu, gelu_tanh, relu, add, SwiGLU, rotary positions. */
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

/* A function of each value, whose backward pass wants what it was of: in x where nobody asks for that. */
static Tensor *activation_inplace(Tape *t, const char *name, Tensor *x, void (*forward)(real *, const real *, size_t),
                                  void (*backward)(Tape *, void *))
{
    op_expect_real(name, x);
    Tensor *y = op_may_overwrite(t, x) ? x : tape_tensor(t, x->rows, x->cols, has_grad(x));
    forward(y->data, x->data, tensor_size(x));
    element_node(t, backward, x, NULL, y);
    return y;
}

Tensor *op_gelu_inplace(Tape *t, Tensor *x)
{
    return activation_inplace(t, "gelu", x, tape_kernels(t)->gelu, gelu_backward);
}

static void quick_gelu_backward(Tape *t, void *context)
{
    const ElementNode *n = context;
    tape_kernels(t)->quick_gelu_backward(n->a->grad, n->y->grad, n->a->data, tensor_size(n->a));
}

Tensor *op_quick_gelu_inplace(Tape *t, Tensor *x)
{
    return activation_inplace(t, "quick_gelu", x, tape_kernels(t)->quick_gelu, quick_gelu_backward);
}

static void gelu_tanh_backward(Tape *t, void *context)
{
    const ElementNode *n = context;
    tape_kernels(t)->gelu_tanh_backward(n->a->grad, n->y->grad, n->a->data, tensor_size(n->a));
}

Tensor *op_gelu_tanh_inplace(Tape *t, Tensor *x)
{
    return activation_inplace(t, "gelu_tanh", x, tape_kernels(t)->gelu_tanh, gelu_tanh_backward);
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

static void swiglu_backward(Tape *t, void *context)
{
    const ElementNode *n = context;
    tape_kernels(t)->swiglu_backward(n->a->grad, n->b->grad, n->y->grad, n->a->data, n->b->data, tensor_size(n->y));
}

Tensor *op_swiglu_inplace(Tape *t, Tensor *gate, const Tensor *up)
{
    op_expect_real("swiglu", gate);
    op_expect_real("swiglu", up);
    op_expect("swiglu", "rows of up", up->rows, gate->rows);
    op_expect("swiglu", "columns of up", up->cols, gate->cols);
    bool leads = has_grad(gate) || has_grad(up);
    Tensor *y = leads || !op_may_overwrite(t, gate) ? tape_tensor(t, gate->rows, gate->cols, leads) : gate;
    tape_kernels(t)->swiglu(y->data, gate->data, up->data, tensor_size(gate));
    element_node(t, swiglu_backward, gate, up, y);
    return y;
}

typedef struct RotateNode {
    const Tensor *x, *angles;
} RotateNode;

static void rotate(Tape *t, real *x, const Tensor *of, const Tensor *angles, bool back)
{
    tape_kernels(t)->rotate(x, angles->data, back, of->rows, of->cols / angles->cols, angles->cols);
}

static void rotate_backward(Tape *t, void *context)
{
    const RotateNode *n = context;
    rotate(t, n->x->grad, n->x, n->angles, true);
}

Tensor *op_rotate_inplace(Tape *t, Tensor *x, const Tensor *angles)
{
    op_expect_real("rotate", x);
    op_expect("rotate", "rows of angles", angles->rows, x->rows);
    if (angles->cols == 0 || angles->cols % 2 != 0 || x->cols % angles->cols != 0)
        bug("rotate: %zu columns are not heads of %zu values, an even number", x->cols, angles->cols);
    rotate(t, x->data, x, angles, false);
    if (has_grad(x) && tape_recording(t)) {
        RotateNode *n = tape_alloc(t, sizeof *n);
        *n = (RotateNode){x, angles};
        tape_node(t, rotate_backward, n);
    }
    return x;
}
