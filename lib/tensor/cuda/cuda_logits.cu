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
    const int32_t *t = (const int32_t *)cuda_indices(targets, rows * sizeof *targets);
    token_logp_kernel<<<(unsigned)rows, THREADS>>>(logp, lse, entropy, logits, t, cols);
    CHECK(cudaGetLastError());
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
    const int32_t *t = (const int32_t *)cuda_indices(targets, rows * sizeof *targets);
    token_logp_backward_kernel<<<(unsigned)rows, THREADS>>>(dlogits, dlogp, logits, lse, t, cols);
    CHECK(cudaGetLastError());
}

/* In the forward pass this was H = -sum p log p, so dx = -dH p (log p + H). */
static __global__ void entropy_backward_kernel(real *dlogits, const real *dentropy, const real *entropy, const real *logits,
                                               const real *lse, size_t cols)
{
    size_t i = blockIdx.x;
    for (size_t j = threadIdx.x; j < cols; j += THREADS) {
        real log_p = logits[i * cols + j] - lse[i], p = expf(log_p);
        dlogits[i * cols + j] = p > 0 ? -dentropy[i] * p * (log_p + entropy[i]) : 0;
    }
}

static void entropy_backward(real *dlogits, const real *dentropy, const real *entropy, const real *logits, const real *lse,
                             size_t rows, size_t cols)
{
    if (rows == 0)
        return;
    entropy_backward_kernel<<<(unsigned)rows, THREADS>>>(dlogits, dentropy, entropy, logits, lse, cols);
    CHECK(cudaGetLastError());
}

/* A value and its place in a row. */
typedef struct Place {
    real value;
    int32_t id;
} Place;

static const int32_t nowhere = INT32_MAX;

/* Whether a comes before b: the larger value, of equals the lower id. */
static __device__ inline bool before(Place a, Place b)
{
    return a.value > b.value || (a.value == b.value && a.id < b.id);
}

/* The first of all threads' places, for all of them. */
static __device__ inline Place block_first(Place x)
{
    __shared__ Place first[THREADS];
    __syncthreads();
    first[threadIdx.x] = x;
    __syncthreads();
    for (unsigned half = THREADS / 2; half > 0; half /= 2) {
        if (threadIdx.x < half && before(first[threadIdx.x + half], first[threadIdx.x]))
            first[threadIdx.x] = first[threadIdx.x + half];
        __syncthreads();
    }
    return first[0];
}

/* A block per row. The k largest one after the other: each is the first behind the last. */
static __global__ void top_k_kernel(real *values, int32_t *ids, double *lse, const real *logits, size_t cols, size_t k)
{
    size_t i = blockIdx.x;
    const real *x = logits + i * cols;
    Place last = {INFINITY, -1};
    real max = -INFINITY;
    for (size_t n = 0; n < k; n++) {
        Place own = {-INFINITY, nowhere};
        for (size_t j = threadIdx.x; j < cols; j += THREADS) {
            Place p = {x[j], (int32_t)j}; /* NaN comes before nothing */
            if (before(last, p) && before(p, own))
                own = p;
        }
        last = block_first(own);
        max = n == 0 ? last.value : max;
        if (threadIdx.x == 0) {
            values[i * k + n] = last.value;
            ids[i * k + n] = last.id == nowhere ? 0 : last.id;
        }
    }
    double sum = 0;
    for (size_t j = threadIdx.x; j < cols; j += THREADS)
        sum += exp((double)x[j] - (double)max);
    sum = block_sum(sum);
    if (threadIdx.x == 0)
        lse[i] = (double)max + log(sum);
}

static void top_k(real *values, int32_t *ids, double *lse, const real *logits, size_t rows, size_t cols, size_t k)
{
    if (rows == 0)
        return;
    double *sums = (double *)cuda_scratch(rows * sizeof *sums);
    real *found = (real *)cuda_scratch(rows * k * sizeof *found);
    int32_t *places = (int32_t *)cuda_scratch(rows * k * sizeof *places);
    top_k_kernel<<<(unsigned)rows, THREADS>>>(found, places, sums, logits, cols, k);
    CHECK(cudaGetLastError());
    CHECK(cudaMemcpy(values, found, rows * k * sizeof *values, cudaMemcpyDeviceToHost));
    CHECK(cudaMemcpy(ids, places, rows * k * sizeof *ids, cudaMemcpyDeviceToHost));
    CHECK(cudaMemcpy(lse, sums, rows * sizeof *lse, cudaMemcpyDeviceToHost));
    cuda_scratch_free(places);
    cuda_scratch_free(found);
    cuda_scratch_free(sums);
}

void cuda_logits_fill(Kernels *k)
{
    k->top_k = top_k;
    k->token_logp = token_logp;
    k->token_logp_backward = token_logp_backward;
    k->entropy_backward = entropy_backward;
}
