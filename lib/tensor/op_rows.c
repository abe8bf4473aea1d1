/* Ops that pick and average whole rows: embed, gather, mean_rows. */
#include "tensor/op.h"

#include <string.h>

typedef struct EmbedNode {
    const Tensor *table, *y;
    const int32_t *ids;
} EmbedNode;

static void embed_backward(Tape *t, void *context)
{
    const EmbedNode *n = context;
    tape_kernels(t)->embed_backward(n->table->grad, n->y->grad, n->ids, n->y->rows, n->y->cols);
}

Tensor *op_embed(Tape *t, const Tensor *table, const int32_t *ids, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (ids[i] < 0 || (size_t)ids[i] >= table->rows)
            bug("embed: id %d is not in a table of %zu rows", (int)ids[i], table->rows);
    Tensor *y = tape_tensor(t, n, table->cols, has_grad(table));
    tape_kernels(t)->embed(y->data, table->type, table->data, ids, n, table->cols);
    if (has_grad(table) && tape_recording(t)) {
        EmbedNode *note = tape_alloc(t, sizeof *note);
        *note = (EmbedNode){table, y, op_copy(t, ids, n, sizeof *ids)};
        tape_node(t, embed_backward, note);
    }
    return y;
}

typedef struct GatherNode {
    const Tensor *const *sources;
    size_t n_sources;
    const RowRef *refs;
    const Tensor *y;
} GatherNode;

static void gather_backward(Tape *t, void *context)
{
    const GatherNode *n = context;
    TapeMark mark = tape_mark(t);
    real **grads = tape_alloc(t, n->n_sources * sizeof *grads); /* one per source, NULL where it has none */
    for (size_t i = 0; i < n->n_sources; i++)
        grads[i] = n->sources[i]->grad;
    tape_kernels(t)->gather_backward(grads, n->y->grad, n->refs, n->y->rows, n->y->cols);
    tape_release(t, mark);
}

static void check_refs(const Tensor *const *sources, size_t n_sources, const RowRef *refs, size_t n)
{
    for (size_t i = 0; i < n_sources; i++) {
        op_expect_real("gather", sources[i]);
        op_expect("gather", "columns of a source", sources[i]->cols, sources[0]->cols);
    }
    for (size_t i = 0; i < n; i++)
        if (refs[i].source >= n_sources || refs[i].row >= sources[refs[i].source]->rows)
            bug("gather: row %u of source %u is asked for, expected one of %zu sources and of its rows", (unsigned)refs[i].row,
                (unsigned)refs[i].source, n_sources);
}

Tensor *op_gather(Tape *t, const Tensor *const *sources, size_t n_sources, const RowRef *refs, size_t n)
{
    if (n_sources == 0)
        bug("gather: no source");
    check_refs(sources, n_sources, refs, n);
    const real **data = tape_alloc(t, n_sources * sizeof *data);
    bool leads = false;
    for (size_t i = 0; i < n_sources; i++) {
        data[i] = sources[i]->data;
        leads = leads || has_grad(sources[i]);
    }
    Tensor *y = tape_tensor(t, n, sources[0]->cols, leads);
    tape_kernels(t)->gather(y->data, data, refs, n, y->cols);
    if (leads && tape_recording(t)) {
        GatherNode *note = tape_alloc(t, sizeof *note);
        *note = (GatherNode){op_copy(t, sources, n_sources, sizeof(Tensor *)), n_sources, op_copy(t, refs, n, sizeof *refs), y};
        tape_node(t, gather_backward, note);
    }
    return y;
}

Tensor *op_reshape(Tape *t, Tensor *x, size_t rows, size_t cols)
{
    if (rows * cols != tensor_size(x) || x->grad_later)
        bug("reshape: %zu x %zu%s as %zu x %zu", x->rows, x->cols, x->grad_later ? " inside of a checkpoint" : "", rows, cols);
    Tensor *y = tape_alloc(t, sizeof *y);
    *y = *x;
    y->rows = rows;
    y->cols = cols;
    return y;
}

typedef struct MeanNode {
    const Tensor *x, *y;
    const size_t *first, *count;
} MeanNode;

static void mean_backward(Tape *t, void *context)
{
    const MeanNode *n = context;
    tape_kernels(t)->mean_rows_backward(n->x->grad, n->y->grad, n->first, n->count, n->y->rows, n->y->cols);
}

Tensor *op_mean_rows(Tape *t, const Tensor *x, const size_t *first, const size_t *count, size_t n)
{
    op_expect_real("mean_rows", x);
    for (size_t i = 0; i < n; i++)
        if (count[i] == 0 || first[i] > x->rows || count[i] > x->rows - first[i])
            bug("mean_rows: rows %zu and %zu more, expected at least one within %zu", first[i], count[i], x->rows);
    Tensor *y = tape_tensor(t, n, x->cols, has_grad(x));
    tape_kernels(t)->mean_rows(y->data, x->data, first, count, n, x->cols);
    if (has_grad(x) && tape_recording(t)) {
        MeanNode *note = tape_alloc(t, sizeof *note);
        *note = (MeanNode){x, y, op_copy(t, first, n, sizeof *first), op_copy(t, count, n, sizeof *count)};
        tape_node(t, mean_backward, note);
    }
    return y;
}
