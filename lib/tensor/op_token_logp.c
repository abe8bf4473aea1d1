/*
 * Log-probabilities of given tokens under softmax(x table^T). The logits of a whole batch over a real vocabulary would take
 * gigabytes: they exist for BLOCK rows at a time, and again in the backward pass.
 */
#include "tensor/op.h"

enum { BLOCK = 256 };

typedef struct LogpNote {
    const Tensor *x, *table, *logp;
    const Tensor *lse; /* [n, 1] */
    const int32_t *targets;
} LogpNote;

static size_t block_rows(const Tensor *x, size_t first)
{
    return x->rows - first < BLOCK ? x->rows - first : BLOCK;
}

static void logits_of(const Kernels *k, real *logits, const Tensor *x, const Tensor *table, size_t first, size_t rows)
{
    k->matmul(logits, tensor_data(x) + first * x->cols, table->type, table->data, NULL, false, rows, table->rows, table->cols);
}

/* In the forward pass this was logits = x table^T: dx += dlogits table, dtable += dlogits^T x. */
static void token_logp_backward(Tape *t, void *context)
{
    const LogpNote *n = context;
    const Kernels *k = tape_kernels(t);
    const Tensor *x = n->x, *table = n->table;
    TapeMark mark = tape_mark(t);
    real *logits = tensor_data(tape_tensor(t, block_rows(x, 0), table->rows, false));
    for (size_t i = 0; i < x->rows; i += BLOCK) {
        size_t rows = block_rows(x, i);
        logits_of(k, logits, x, table, i, rows);
        k->token_logp_backward(logits, n->logp->grad + i, logits, tensor_data(n->lse) + i, n->targets + i, rows, table->rows);
        if (has_grad(x))
            k->matmul_dx(x->grad + i * x->cols, logits, table->type, table->data, rows, table->rows, table->cols);
        if (has_grad(table))
            k->matmul_dw(table->grad, logits, tensor_data(x) + i * x->cols, rows, table->rows, table->cols);
    }
    tape_release(t, mark);
}

static void check_shapes(const Tensor *x, const Tensor *table, const int32_t *targets)
{
    op_expect_real("token_logp", x);
    op_expect("token_logp", "columns of x", x->cols, table->cols);
    for (size_t i = 0; i < x->rows; i++)
        if (targets[i] < 0 || (size_t)targets[i] >= table->rows)
            bug("token_logp: target %d is not in a vocabulary of %zu", (int)targets[i], table->rows);
}

/* logp, lse and entropy (NULL: none), a block of rows after the other. */
static void token_logp_forward(Tape *t, const Tensor *x, const Tensor *table, const int32_t *targets, const Tensor *logp,
                               const Tensor *lse, double *entropy)
{
    const Kernels *k = tape_kernels(t);
    TapeMark mark = tape_mark(t);
    real *logits = tensor_data(tape_tensor(t, block_rows(x, 0), table->rows, false));
    real *entropies = entropy ? tensor_data(tape_tensor(t, x->rows, 1, false)) : NULL;
    for (size_t i = 0; i < x->rows; i += BLOCK) {
        size_t rows = block_rows(x, i);
        logits_of(k, logits, x, table, i, rows);
        k->token_logp(tensor_data(logp) + i, tensor_data(lse) + i, entropies ? entropies + i : NULL, logits, targets + i, rows,
                      table->rows);
    }
    if (entropy) {
        real *host = tape_alloc(t, x->rows * sizeof *host);
        k->download(host, entropies, x->rows * sizeof *host);
        for (size_t i = 0; i < x->rows; i++)
            entropy[i] = (double)host[i];
    }
    tape_release(t, mark);
}

Tensor *op_token_logp(Tape *t, const Tensor *x, const Tensor *table, const int32_t *targets, double *entropy)
{
    check_shapes(x, table, targets);
    bool leads = has_grad(x) || has_grad(table);
    Tensor *logp = tape_tensor(t, x->rows, 1, leads);
    const Tensor *lse = tape_tensor(t, x->rows, 1, false);
    token_logp_forward(t, x, table, targets, logp, lse, entropy);
    if (leads && tape_recording(t)) {
        LogpNote *n = tape_alloc(t, sizeof *n);
        *n = (LogpNote){x, table, logp, lse, op_copy(t, targets, x->rows, sizeof *targets)};
        tape_note(t, token_logp_backward, n);
    }
    return logp;
}
