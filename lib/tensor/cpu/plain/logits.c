/* Log-probabilities of tokens from logits, in plain C. */
#include "tensor/cpu/plain/plain.h"

#include <tgmath.h>

#include "base/pool.h"
#include "tensor/cpu/largest.h"

typedef struct LogitsWork {
    real *logp, *lse, *entropy, *dlogits;
    const real *dlogp, *dentropy, *kept_entropy, *kept_lse, *logits;
    const int32_t *targets;
    size_t cols;
} LogitsWork;

static real row_max(const real *x, size_t n)
{
    real max = x[0];
    for (size_t j = 1; j < n; j++)
        max = x[j] > max ? x[j] : max;
    return max;
}

static void token_logp_part(void *context, size_t i)
{
    const LogitsWork *w = context;
    const real *x = w->logits + i * w->cols;
    real max = row_max(x, w->cols);
    double sum = 0, weighted = 0; /* of e^(x-max), and of that times (x - max) */
    for (size_t j = 0; j < w->cols; j++) {
        double e = (double)exp(x[j] - max);
        sum += e;
        if (e > 0) /* 0 log 0 is 0, also where x is -infinity */
            weighted += e * (double)(x[j] - max);
    }
    double lse = log(sum);
    w->lse[i] = (real)((double)max + lse);
    w->logp[i] = (real)((double)(x[w->targets[i]] - max) - lse);
    if (w->entropy)
        w->entropy[i] = (real)(lse - weighted / sum);
}

static void token_logp(real *logp, real *lse, real *entropy, const real *logits, const int32_t *targets, size_t rows, size_t cols)
{
    LogitsWork w = {.logp = logp, .lse = lse, .entropy = entropy, .logits = logits, .targets = targets, .cols = cols};
    pool_run(token_logp_part, &w, rows);
}

/* In the forward pass this was logp = x[target] - log sum exp x, so dx = dlogp (onehot(target) - e^(x - lse)). */
static void token_logp_backward_part(void *context, size_t i)
{
    const LogitsWork *w = context;
    const real *x = w->logits + i * w->cols;
    real *dx = w->dlogits + i * w->cols;
    for (size_t j = 0; j < w->cols; j++)
        dx[j] = -w->dlogp[i] * exp(x[j] - w->kept_lse[i]);
    dx[w->targets[i]] += w->dlogp[i];
}

static void token_logp_backward(real *dlogits, const real *dlogp, const real *logits, const real *lse, const int32_t *targets,
                                size_t rows, size_t cols)
{
    LogitsWork w = {.dlogits = dlogits, .dlogp = dlogp, .kept_lse = lse, .logits = logits, .targets = targets, .cols = cols};
    pool_run(token_logp_backward_part, &w, rows);
}

/* In the forward pass this was H = -sum p log p, so dx = -dH p (log p + H). */
static void entropy_backward_part(void *context, size_t i)
{
    const LogitsWork *w = context;
    const real *x = w->logits + i * w->cols;
    real *dx = w->dlogits + i * w->cols;
    for (size_t j = 0; j < w->cols; j++) {
        real log_p = x[j] - w->kept_lse[i], p = exp(log_p);
        dx[j] = p > 0 ? -w->dentropy[i] * p * (log_p + w->kept_entropy[i]) : 0;
    }
}

static void entropy_backward(real *dlogits, const real *dentropy, const real *entropy, const real *logits, const real *lse,
                             size_t rows, size_t cols)
{
    LogitsWork w = {
        .dlogits = dlogits, .dentropy = dentropy, .kept_entropy = entropy, .kept_lse = lse, .logits = logits, .cols = cols};
    pool_run(entropy_backward_part, &w, rows);
}

typedef struct TopKWork {
    real *values;
    int32_t *ids;
    double *lse;
    const real *logits;
    size_t cols, k;
} TopKWork;

static void top_k_part(void *context, size_t i)
{
    const TopKWork *w = context;
    const real *x = w->logits + i * w->cols;
    Largest largest = {.values = w->values + i * w->k, .ids = w->ids + i * w->k, .k = w->k};
    for (size_t j = 0; j < w->cols; j++)
        largest_add(&largest, x[j], (int32_t)j);
    largest_end(&largest);
    double top = largest.values[0], sum = 0;
    for (size_t j = 0; j < w->cols; j++)
        sum += exp((double)x[j] - top);
    w->lse[i] = top + log(sum);
}

static void top_k(real *values, int32_t *ids, double *lse, const real *logits, size_t rows, size_t cols, size_t k)
{
    TopKWork w = {values, ids, lse, logits, cols, k};
    pool_run(top_k_part, &w, rows);
}

void plain_logits_fill(Kernels *k)
{
    k->top_k = top_k;
    k->token_logp = token_logp;
    k->token_logp_backward = token_logp_backward;
    k->entropy_backward = entropy_backward;
}
