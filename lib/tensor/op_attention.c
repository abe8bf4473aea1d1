/* Multi-head attention over ragged sequences (Vaswani et al. 2017, https://arxiv.org/abs/1706.03762, eq. 1), also with
 * grouped queries (Ainslie et al. 2023, https://arxiv.org/abs/2305.13245). */
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
    for (size_t i = 0; i < shape->n_spans; i++) {
        const Span *s = &shape->spans[i];
        rows_expect("queries", s->q, s->nq, q->rows);
        rows_expect("prefix keys", s->prefix, s->n_prefix, k->rows);
        rows_expect("keys", s->k, s->nk, k->rows);
    }
}

/* As many heads of queries as of keys. */
static Tensor *attention(Tape *t, const Tensor *q, const Tensor *k, const Tensor *v, const Span *spans, size_t n_spans,
                         size_t heads, bool causal)
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

/*
 * Heads of queries that share a head of keys lie beside each other in a row: h * group + g. Their attention is that of `group`
 * times as many rows and spans, over heads that each have their own keys: row g * rows + i holds of row i the heads .. * group +
 * g.
 */
typedef struct RegroupNode {
    const Tensor *from, *to;
    const RowRef *refs; /* of each head of `to`, which of `from`'s, both counted by rows */
    size_t dim;
} RegroupNode;

static void regroup_backward(Tape *t, void *context)
{
    const RegroupNode *n = context;
    tape_kernels(t)->gather_backward((real *const[]){n->from->grad}, n->to->grad, n->refs, tensor_size(n->to) / n->dim, n->dim);
}

/* x [rows, kv * group * dim] to [group * rows, kv * dim]; back: the other way, into `rows` rows. */
static Tensor *regroup(Tape *t, const Tensor *x, size_t kv, size_t group, size_t dim, bool back)
{
    const size_t n = tensor_size(x) / dim, rows = n / (kv * group);
    RowRef *refs = tape_alloc(t, n * sizeof *refs);
    for (size_t i = 0, at = 0; i < rows; i++)
        for (size_t h = 0; h < kv; h++)
            for (size_t g = 0; g < group; g++, at++) {
                size_t apart = (g * rows + i) * kv + h; /* at: where it lies in a row of heads side by side */
                refs[back ? at : apart] = (RowRef){0, (uint32_t)(back ? apart : at)};
            }
    Tensor *y = back ? tape_tensor(t, rows, kv * group * dim, has_grad(x)) : tape_tensor(t, group * rows, kv * dim, has_grad(x));
    tape_kernels(t)->gather(y->data, (const real *const[]){x->data}, refs, n, dim);
    if (has_grad(x) && tape_recording(t)) {
        RegroupNode *node = tape_alloc(t, sizeof *node);
        *node = (RegroupNode){x, y, refs, dim};
        tape_node(t, regroup_backward, node);
    }
    return y;
}

static Tensor *grouped_attention(Tape *t, const Tensor *q, const Tensor *k, const Tensor *v, const Span *spans, size_t n_spans,
                                 size_t heads, bool causal)
{
    const size_t dim = q->cols / heads, kv = k->cols / dim, group = heads / kv;
    if (heads % kv != 0 || k->cols % dim != 0)
        bug("attention: %zu heads of keys for %zu of queries, of %zu values", kv, heads, dim);
    Span *more = tape_alloc(t, group * n_spans * sizeof *more);
    for (size_t g = 0; g < group; g++)
        for (size_t i = 0; i < n_spans; i++) {
            more[g * n_spans + i] = spans[i];
            more[g * n_spans + i].q += g * q->rows;
        }
    const Tensor *out = attention(t, regroup(t, q, kv, group, dim, false), k, v, more, group * n_spans, kv, causal);
    return regroup(t, out, kv, group, dim, true);
}

Tensor *op_attention(Tape *t, const Tensor *q, const Tensor *k, const Tensor *v, const Span *spans, size_t n_spans, size_t heads,
                     bool causal)
{
    if (heads == 0 || q->cols % heads != 0)
        bug("attention: %zu columns are not divisible by %zu heads", q->cols, heads);
    bool grouped = k->cols < q->cols && k->cols >= q->cols / heads;
    return (grouped ? grouped_attention : attention)(t, q, k, v, spans, n_spans, heads, causal);
}
