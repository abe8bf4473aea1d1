/*
 * Log-probabilities of given tokens under softmax(x table^T + bias). The logits of a whole batch over a real vocabulary would
 * take gigabytes: they exist for BLOCK rows at a time.
 *
 * A row's log-probability depends on that row of x alone. So its slope, the target's row of the table less the mean of all rows
 * under the softmax, is taken while the logits are there, and the backward pass has only to scale it; a table that is itself
 * trained needs the logits again.
 *
 * Where nothing is recorded and no entropy asked for, nobody needs a row of logits whole: they exist for COLUMNS words at a time,
 * which stay in the cache, and the sums of exponentials are joined. How the vocabulary is cut does not depend on the rows.
 */
#include "tensor/op.h"

#include <math.h>

enum { BLOCK = 256, COLUMNS = 8192, STREAMED_ROWS = 512 };

typedef struct LogpNode {
    const Tensor *x, *table, *bias, *logp; /* bias: NULL: none */
    const Tensor *lse;                     /* [n, 1] */
    const Tensor *slope;                   /* as x: d logp / d x; NULL where x has no gradient */
    const Tensor *entropy, *entropy_slope; /* [n, 1], as x: the same of the entropy; NULL where it is no result */
    const int32_t *targets;
} LogpNode;

/* Blocks are of nearly equal size: the table is read for each. */
static size_t block_rows(const Tensor *x, size_t first)
{
    size_t blocks = (x->rows ? x->rows - 1 : 0) / BLOCK + 1, rows = (x->rows + blocks - 1) / blocks;
    return x->rows - first < rows ? x->rows - first : rows;
}

static const real *bias_from(const LogpNode *n, size_t first)
{
    return n->bias ? tensor_data(n->bias) + first : NULL;
}

static void logits_of(const Kernels *k, real *logits, const LogpNode *n, size_t first, size_t rows)
{
    const Tensor *x = n->x, *table = n->table;
    k->matmul(logits, tensor_data(x) + first * x->cols, table->type, table->data, bias_from(n, 0), false, rows, table->rows,
              table->cols);
}

/* In the forward pass this was logits = x table^T (+ bias): dtable += dlogits^T x. */
static void table_backward(Tape *t, const LogpNode *n)
{
    const Kernels *k = tape_kernels(t);
    const Tensor *x = n->x, *table = n->table;
    TapeMark mark = tape_mark(t);
    real *logits = tensor_data(tape_tensor(t, block_rows(x, 0), table->rows, false));
    for (size_t i = 0; i < x->rows; i += block_rows(x, i)) {
        size_t rows = block_rows(x, i);
        logits_of(k, logits, n, i, rows);
        k->token_logp_backward(logits, n->logp->grad + i, logits, tensor_data(n->lse) + i, n->targets + i, rows, table->rows);
        k->matmul_dw(table->grad, logits, tensor_data(x) + i * x->cols, rows, table->rows, table->cols);
    }
    tape_release(t, mark);
}

static void token_logp_backward(Tape *t, void *context)
{
    const LogpNode *n = context;
    if (has_grad(n->x)) /* dx[i] += dlogp[i] slope[i] */
        tape_kernels(t)->axpy_rows(n->x->grad, n->logp->grad, tensor_data(n->slope), n->x->rows, n->x->cols);
    if (n->entropy_slope)
        tape_kernels(t)->axpy_rows(n->x->grad, n->entropy->grad, tensor_data(n->entropy_slope), n->x->rows, n->x->cols);
    if (has_grad(n->table))
        table_backward(t, n);
}

static void check_shapes(const Tensor *x, const Tensor *table, const Tensor *bias, const int32_t *targets)
{
    op_expect_real("token_logp", x);
    op_expect("token_logp", "columns of x", x->cols, table->cols);
    if (bias)
        op_expect("token_logp", "size of the bias", tensor_size(bias), table->rows);
    if (has_grad(bias))
        bug("token_logp: a bias that is trained has no gradient here");
    for (size_t i = 0; i < x->rows; i++)
        if (targets[i] < 0 || (size_t)targets[i] >= table->rows)
            bug("token_logp: target %d is not in a vocabulary of %zu", (int)targets[i], table->rows);
}

/* slope = dlogits table, of rows first .. */
static void slope_set(Tape *t, const LogpNode *n, const Tensor *slope, const real *dlogits, size_t first, size_t rows)
{
    const Kernels *k = tape_kernels(t);
    const Tensor *table = n->table;
    real *out = tensor_data(slope) + first * table->cols;
    k->zero(out, rows * table->cols * sizeof *out);
    k->matmul_dx(out, dlogits, table->type, table->data, rows, table->rows, table->cols);
}

/* slope = d logp / d x of rows first .., and that of the entropy if it is a result. The logits are overwritten. */
static void slope_of(Tape *t, const LogpNode *n, real *logits, size_t first, size_t rows)
{
    const Kernels *k = tape_kernels(t);
    const size_t words = n->table->rows;
    TapeMark mark = tape_mark(t);
    real one[BLOCK];
    for (size_t i = 0; i < rows; i++)
        one[i] = 1;
    const real *ones = tape_input(t, rows, 1, one, false)->data, *lse = tensor_data(n->lse) + first;
    if (n->entropy_slope) {
        real *dlogits = tensor_data(tape_tensor(t, rows, words, false));
        k->entropy_backward(dlogits, ones, tensor_data(n->entropy) + first, logits, lse, rows, words);
        slope_set(t, n, n->entropy_slope, dlogits, first, rows);
    }
    k->token_logp_backward(logits, ones, logits, lse, n->targets + first, rows, words);
    slope_set(t, n, n->slope, logits, first, rows);
    tape_release(t, mark);
}

/* Fills in logp, lse, entropy (NULL: none) and slope (NULL: none), a block of rows after the other. */
static void token_logp_forward(Tape *t, const LogpNode *n, double *entropy)
{
    const Kernels *k = tape_kernels(t);
    const Tensor *x = n->x, *table = n->table;
    TapeMark mark = tape_mark(t);
    real *logits = tensor_data(tape_tensor(t, block_rows(x, 0), table->rows, false));
    real *entropies = n->entropy ? tensor_data(n->entropy) : entropy ? tensor_data(tape_tensor(t, x->rows, 1, false)) : NULL;
    for (size_t i = 0; i < x->rows; i += block_rows(x, i)) {
        size_t rows = block_rows(x, i);
        logits_of(k, logits, n, i, rows);
        k->token_logp(tensor_data(n->logp) + i, tensor_data(n->lse) + i, entropies ? entropies + i : NULL, logits, n->targets + i,
                      rows, table->rows);
        if (n->slope)
            slope_of(t, n, logits, i, rows);
    }
    if (entropy) {
        real *host = tape_alloc(t, x->rows * sizeof *host);
        k->download(host, entropies, x->rows * sizeof *host);
        for (size_t i = 0; i < x->rows; i++)
            entropy[i] = (double)host[i];
    }
    tape_release(t, mark);
}

/* log(e^a + e^b). */
static double log_sum(double a, double b)
{
    double most = a > b ? a : b;
    return most + log(exp(a - most) + exp(b - most));
}

/* logp of rows first .., a part of the vocabulary after the other. */
static void stream_rows(Tape *t, const LogpNode *n, size_t first, size_t rows)
{
    const Kernels *k = tape_kernels(t);
    const Tensor *table = n->table;
    const size_t words = table->rows, cols = table->cols;
    TapeMark mark = tape_mark(t);
    real *logits = tensor_data(tape_tensor(t, rows, words < COLUMNS ? words : COLUMNS, false));
    real *logp = tape_alloc(t, rows * sizeof *logp), *lse = tape_alloc(t, rows * sizeof *lse);
    double *sum = tape_alloc(t, rows * sizeof *sum), *target = tape_alloc(t, rows * sizeof *target);
    int32_t *at = tape_alloc(t, rows * sizeof *at);
    for (size_t i = 0; i < rows; i++)
        sum[i] = -INFINITY;
    for (size_t j = 0; j < words; j += COLUMNS) {
        size_t count = words - j < COLUMNS ? words - j : COLUMNS;
        const char *w = (const char *)table->data + j * cols * dtype_size(table->type);
        for (size_t i = 0; i < rows; i++) {
            size_t word = (size_t)n->targets[first + i];
            at[i] = word >= j && word - j < count ? (int32_t)(word - j) : 0;
        }
        k->matmul(logits, tensor_data(n->x) + first * cols, table->type, w, bias_from(n, j), false, rows, count, cols);
        k->token_logp(tensor_data(n->logp) + first, tensor_data(n->lse) + first, NULL, logits, at, rows, count);
        k->download(logp, tensor_data(n->logp) + first, rows * sizeof *logp);
        k->download(lse, tensor_data(n->lse) + first, rows * sizeof *lse);
        for (size_t i = 0; i < rows; i++) {
            sum[i] = log_sum(sum[i], (double)lse[i]);
            if ((size_t)n->targets[first + i] / COLUMNS == j / COLUMNS)
                target[i] = (double)logp[i] + (double)lse[i];
        }
    }
    for (size_t i = 0; i < rows; i++)
        logp[i] = (real)(target[i] - sum[i]);
    k->upload(tensor_data(n->logp) + first, logp, rows * sizeof *logp);
    tape_release(t, mark);
}

static void token_logp_streamed(Tape *t, const LogpNode *n)
{
    for (size_t i = 0; i < n->x->rows; i += STREAMED_ROWS)
        stream_rows(t, n, i, n->x->rows - i < STREAMED_ROWS ? n->x->rows - i : STREAMED_ROWS);
}

/* entropy: on the host, or NULL; result: as a result, or NULL. */
static Tensor *token_logp(Tape *t, const Tensor *x, const Tensor *table, const Tensor *bias, const int32_t *targets,
                          double *entropy, Tensor **result)
{
    check_shapes(x, table, bias, targets);
    bool recorded = (has_grad(x) || has_grad(table)) && tape_recording(t);
    Tensor *logp = tape_tensor(t, x->rows, 1, has_grad(x) || has_grad(table));
    LogpNode *n = tape_alloc(t, sizeof *n);
    *n = (LogpNode){.x = x, .table = table, .bias = bias, .logp = logp, .lse = tape_tensor(t, x->rows, 1, false)};
    n->slope = recorded && has_grad(x) ? tape_tensor(t, x->rows, x->cols, false) : NULL;
    n->entropy = result ? *result = tape_tensor(t, x->rows, 1, has_grad(x)) : NULL;
    n->entropy_slope = result && n->slope ? tape_tensor(t, x->rows, x->cols, false) : NULL;
    n->targets = recorded ? op_copy(t, targets, x->rows, sizeof *targets) : targets;
    if (recorded || entropy || result)
        token_logp_forward(t, n, entropy);
    else
        token_logp_streamed(t, n);
    if (recorded)
        tape_node(t, token_logp_backward, n);
    return logp;
}

Tensor *op_token_logp(Tape *t, const Tensor *x, const Tensor *table, const Tensor *bias, const int32_t *targets, double *entropy)
{
    return token_logp(t, x, table, bias, targets, entropy, NULL);
}

Tensor *op_token_logp_entropy(Tape *t, const Tensor *x, const Tensor *table, const Tensor *bias, const int32_t *targets,
                              Tensor **entropy)
{
    if (has_grad(table))
        bug("token_logp: the entropy has no gradient for a table that is trained");
    return token_logp(t, x, table, bias, targets, NULL, entropy);
}
