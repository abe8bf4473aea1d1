/* y = x W^T + b (+ a residual), and the low-rank adapter in force: y += scale (x A^T) B^T (Hu et al. 2021,
 * https://arxiv.org/abs/2106.09685). */
#include "tensor/op.h"

typedef struct LinearNode {
    const Tensor *residual, *x, *y; /* residual: NULL: none */
    const Linear *layer;
    const Lora *lora;     /* NULL: none */
    const Tensor *scaled; /* [m, r]: scale x A^T */
} LinearNode;

static bool leads_to_gradient(const Tensor *x, const Linear *layer, const Lora *lora)
{
    return has_grad(x) || has_grad(&layer->weight) || has_grad(&layer->bias) ||
           (lora && (has_grad(&lora->a) || has_grad(&lora->b)));
}

static void check_shapes(const Tensor *x, const Linear *layer, const Lora *lora)
{
    op_expect_real("linear", x);
    op_expect("linear", "columns of x", x->cols, layer->weight.cols);
    if (layer->bias.data)
        op_expect("linear", "size of the bias", tensor_size(&layer->bias), layer->weight.rows);
    if (!lora)
        return;
    op_expect("linear", "columns of the adapter's A", lora->a.cols, layer->weight.cols);
    op_expect("linear", "rows of the adapter's B", lora->b.rows, layer->weight.rows);
    op_expect("linear", "columns of the adapter's B", lora->b.cols, lora->a.rows);
}

/* y = x w^T + bias (+ y), as the tape is in a step of decoding or not. */
static void multiply(Tape *t, Tensor *y, const Tensor *x, const Tensor *w, const real *bias, bool add)
{
    const Kernels *k = tape_kernels(t);
    (tape_in_step(t) ? k->matmul_step : k->matmul)(y->data, x->data, w->type, w->data, bias, add, x->rows, w->rows, w->cols);
}

/* Adds the adapter's share to y; returns scale x A^T. */
static const Tensor *lora_forward(Tape *t, const Tensor *x, const Lora *l, Tensor *y)
{
    const Kernels *k = tape_kernels(t);
    Tensor *h = tape_tensor(t, x->rows, l->a.rows, false);
    multiply(t, h, x, &l->a, NULL, false);
    k->scale(h->data, l->scale, tensor_size(h));
    multiply(t, y, h, &l->b, NULL, true);
    return h;
}

/* In the forward pass this was h = scale x A^T, y += h B^T. */
static void lora_backward(Tape *t, const LinearNode *n)
{
    const Kernels *k = tape_kernels(t);
    const Lora *l = n->lora;
    size_t m = n->x->rows, r = l->a.rows, in = l->a.cols, out = l->b.rows;
    const real *dy = n->y->grad;
    if (has_grad(&l->b))
        k->matmul_dw(l->b.grad, dy, n->scaled->data, m, out, r);
    if (!has_grad(&l->a) && !has_grad(n->x))
        return;
    TapeMark mark = tape_mark(t);
    real *dh = tensor_data(tape_tensor(t, m, r, false));
    k->zero(dh, m * r * sizeof *dh);
    k->matmul_dx(dh, dy, l->b.type, l->b.data, m, out, r);
    k->scale(dh, l->scale, m * r);
    if (has_grad(&l->a))
        k->matmul_dw(l->a.grad, dh, n->x->data, m, r, in);
    if (has_grad(n->x))
        k->matmul_dx(n->x->grad, dh, l->a.type, l->a.data, m, r, in);
    tape_release(t, mark);
}

static void linear_backward(Tape *t, void *context)
{
    const LinearNode *n = context;
    const Kernels *k = tape_kernels(t);
    const Tensor *w = &n->layer->weight, *b = &n->layer->bias;
    const real *dy = n->y->grad;
    if (has_grad(n->residual) && n->residual->grad != dy)
        k->axpy(n->residual->grad, 1, dy, tensor_size(n->y));
    if (has_grad(n->x))
        k->matmul_dx(n->x->grad, dy, w->type, w->data, n->x->rows, w->rows, w->cols);
    if (has_grad(w))
        k->matmul_dw(w->grad, dy, n->x->data, n->x->rows, w->rows, w->cols);
    if (has_grad(b))
        k->column_sums(b->grad, dy, n->x->rows, w->rows);
    if (n->lora)
        lora_backward(t, n);
}

/* The adapter in force of a layer, whose shapes are as x needs them. */
static const Lora *lora_of(const Tape *t, const Tensor *x, const Linear *layer)
{
    Adapter adapter = tape_adapter_in_force(t);
    const Lora *lora = adapter == ADAPTER_NONE ? NULL : layer->lora[adapter];
    check_shapes(x, layer, lora);
    return lora;
}

static Tensor *linear(Tape *t, Tensor *residual, const Tensor *x, const Linear *layer)
{
    const Kernels *k = tape_kernels(t);
    const Lora *lora = lora_of(t, x, layer);
    const Tensor *w = &layer->weight;
    bool leads = has_grad(residual) || leads_to_gradient(x, layer, lora);
    bool spent = residual && op_may_overwrite(t, residual);
    TapeMark mark = tape_mark(t);
    Tensor *y = residual ? tape_tensor_onto(t, residual, leads) : tape_tensor(t, x->rows, w->rows, leads);
    multiply(t, y, x, w, layer->bias.data, false);
    const Tensor *scaled = lora ? lora_forward(t, x, lora, y) : NULL;
    if (residual)
        k->add(spent ? residual->data : y->data, y->data, residual->data, tensor_size(y));
    if (spent) {
        tape_release(t, mark);
        return residual;
    }
    if (leads && tape_recording(t)) {
        LinearNode *n = tape_alloc(t, sizeof *n);
        *n = (LinearNode){residual, x, y, layer, lora, scaled};
        tape_node(t, linear_backward, n);
    }
    return y;
}

Tensor *op_linear(Tape *t, const Tensor *x, const Linear *layer)
{
    return linear(t, NULL, x, layer);
}

Tensor *op_linear_add_inplace(Tape *t, Tensor *residual, const Tensor *x, const Linear *layer)
{
    op_expect_real("linear", residual);
    op_expect("linear", "rows of the residual", residual->rows, x->rows);
    op_expect("linear", "columns of the residual", residual->cols, layer->weight.rows);
    return linear(t, residual, x, layer);
}

Tensor *op_linears(Tape *t, const Tensor *x, const Linear *const *layers, size_t n)
{
    bool leads = false;
    for (size_t i = 0; i < n; i++) {
        op_expect("linears", "rows of a weight", layers[i]->weight.rows, layers[0]->weight.rows);
        leads = leads || leads_to_gradient(x, layers[i], lora_of(t, x, layers[i]));
    }
    Tensor *y = tape_tensor(t, n * x->rows, layers[0]->weight.rows, leads);
    if (y->grad_later)
        bug("linears: inside of a checkpoint");
    for (size_t i = 0; i < n; i++) {
        const Lora *lora = lora_of(t, x, layers[i]);
        Tensor *part = tape_alloc(t, sizeof *part);
        *part = tensor_rows(y, i * x->rows, x->rows);
        multiply(t, part, x, &layers[i]->weight, layers[i]->bias.data, false);
        const Tensor *scaled = lora ? lora_forward(t, x, lora, part) : NULL;
        if (leads && tape_recording(t)) {
            LinearNode *node = tape_alloc(t, sizeof *node);
            *node = (LinearNode){NULL, x, part, layers[i], lora, scaled};
            tape_node(t, linear_backward, node);
        }
    }
    return y;
}
