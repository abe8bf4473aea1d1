/* Log-probabilities of tokens from logits: a block per row; the formulas of cpu/plain_logits.c. */
#include "tensor/cuda/device.cuh"

static __global__ void token_logp_kernel(real *logp, real *lse, real *entropy, const real *logits, const int32_t *targets,
                                         size_t cols)
{
    size_t i = blockIdx.x;
    const real *x = logits + i * cols;
    real most = -INFINITY;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        most = x[j] > most ? x[j] : most;
    real max = block_max(most);
    double sum = 0, weighted = 0; /* of e^(x-max), and of that times (x - max) */
    for (size_t j = threadIdx.x; j < cols; j += THREADS) {
        double e = (double)expf(x[j] - max);
        sum += e;
        if (e > 0) /* 0 log 0 is 0, also where x is -infinity */
            weighted += e * (double)(x[j] - max);
    }
    sum = block_sum(sum);
    weighted = block_sum(weighted);
    if (threadIdx.x != 0)
        return;
    double log_sum = log(sum);
    lse[i] = (real)((double)max + log_sum);
    logp[i] = (real)((double)(x[targets[i]] - max) - log_sum);
    if (entropy)
        entropy[i] = (real)(log_sum - weighted / sum);
}

static void token_logp(real *logp, real *lse, real *entropy, const real *logits, const int32_t *targets, size_t rows, size_t cols)
{
    if (rows == 0)
        return;
    const int32_t *t = (const int32_t *)cuda_scratch_copy(targets, rows * sizeof *targets);
    token_logp_kernel<<<(unsigned)rows, THREADS>>>(logp, lse, entropy, logits, t, cols);
    CHECK(cudaGetLastError());
    cuda_scratch_free(t);
}

/* In the forward pass this was logp = x[target] - log sum exp x, so dx = dlogp (onehot(target) - e^(x - lse)). */
static __global__ void token_logp_backward_kernel(real *dlogits, const real *dlogp, const real *logits, const real *lse,
                                                  const int32_t *targets, size_t cols)
{
    size_t i = blockIdx.x, target = (size_t)targets[i];
    for (size_t j = threadIdx.x; j < cols; j += THREADS) {
        real d = -dlogp[i] * expf(logits[i * cols + j] - lse[i]);
        dlogits[i * cols + j] = j == target ? d + dlogp[i] : d;
    }
}

static void token_logp_backward(real *dlogits, const real *dlogp, const real *logits, const real *lse, const int32_t *targets,
                                size_t rows, size_t cols)
{
    if (rows == 0)
        return;
    const int32_t *t = (const int32_t *)cuda_scratch_copy(targets, rows * sizeof *targets);
    token_logp_backward_kernel<<<(unsigned)rows, THREADS>>>(dlogits, dlogp, logits, lse, t, cols);
    CHECK(cudaGetLastError());
    cuda_scratch_free(t);
}

void cuda_logits_fill(Kernels *k)
{
    k->token_logp = token_logp;
    k->token_logp_backward = token_logp_backward;
}
