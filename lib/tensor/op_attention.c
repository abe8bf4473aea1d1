/* Multi-head attention over ragged sequences (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, eq. 1). */
#include "tensor/op.h"

#include <math.h>

typedef struct AttentionNode {
    const Tensor *q, *k, *v, *out;
    const Tensor *stats; /* [q rows, heads * 2] */
    AttentionShape shape;
} AttentionNode;

static void attention_backward(Tape *t, void *context)
{
    const AttentionNode *n = context;
    tape_kernels(t)->attention_backward(n->q->grad, n->k->grad, n->v->grad, n->out->grad, n->out->data, n->stats->data,
                                        n->q->data, n->k->data, n->v->data, &n->shape);
}

static void rows_expect(const char *what, size_t first, size_t count, size_t rows)
{
    if (first > rows || count > rows - first)
        bug("attention: a span's %s are %zu to %zu, expected within %zu rows", what, first, first + count, rows);
}

static void check_shapes(const Tensor *q, const Tensor *k, const Tensor *v, const AttentionShape *shape)
{
    op_expect_real("attention", q);
    op_expect_real("attention", k);
    op_expect_real("attention", v);
    op_expect("attention", "columns of k", k->cols, q->cols);
    op_expect("attention", "columns of v", v->cols, q->cols);
    op_expect("attention", "rows of v", v->rows, k->rows);
    if (shape->heads == 0 || q->cols % shape->heads != 0)
        bug("attention: %zu columns are not divisible by %zu heads", q->cols, shape->heads);
    for (size_t i = 0; i < shape->n_spans; i++) {
        const Span *s = &shape->spans[i];
        rows_expect("queries", s->q, s->nq, q->rows);
        rows_expect("prefix keys", s->prefix, s->n_prefix, k->rows);
        rows_expect("keys", s->k, s->nk, k->rows);
    }
}

Tensor *op_attention(Tape *t, const Tensor *q, const Tensor *k, const Tensor *v, const Span *spans, size_t n_spans, size_t heads,
                     bool causal)
{
    AttentionShape shape = {
        .spans = spans, .n_spans = n_spans, .heads = heads, .cols = q->cols, .q_rows = q->rows, .causal = causal};
    shape.step = tape_in_step(t);
    check_shapes(q, k, v, &shape);
    shape.scale = 1 / sqrt((double)(q->cols / heads));
    bool leads = has_grad(q) || has_grad(k) || has_grad(v);
    Tensor *out = tape_tensor(t, q->rows, q->cols, leads);
    if (!leads || !tape_recording(t)) {
        tape_kernels(t)->attention(out->data, NULL, q->data, k->data, v->data, &shape);
        return out;
    }
    const Tensor *stats = tape_tensor(t, q->rows, 2 * heads, false);
    tape_kernels(t)->attention(out->data, stats->data, q->data, k->data, v->data, &shape);
    AttentionNode *n = tape_alloc(t, sizeof *n);
    shape.spans = op_copy(t, spans, n_spans, sizeof *spans);
    *n = (AttentionNode){q, k, v, out, stats, shape};
    tape_node(t, attention_backward, n);
    return out;
}
