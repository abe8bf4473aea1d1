/*
 * Speed of the kernels of the best table here (VLRM_CPU chooses another), each beside its floor measured in the same round:
 * reading memory for what is bound by memory, multiply-adds in registers and OpenBLAS's sgemm for what is bound by arithmetic.
 * Medians of interleaved rounds; the last column is the figure as a part of the floor, which is what to compare between machines.
 *
 *   bench_kernels [THREADS [ROUNDS]]
 */
#include <cblas.h>
#include <immintrin.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/pool.h"
#include "tensor/kernels.h"
#include "tests/bench/median.h"

enum { POOL_MB = 640, READ_PARTS = 64, MAX_ROUNDS = 99, N = 10240, K = 2560, MAX_M = 2056, VOCABULARY = 50304 };

static const size_t pool_bytes = (size_t)POOL_MB << 20;
static char *weights; /* far larger than any cache: what is used next is cold */
static size_t next;   /* where in it the next product's weights begin */
static float *x, *y, *z;
static int rounds = 9;

/* --- Floors. --- */

static volatile float sink[READ_PARTS];

__attribute__((target("avx2,fma"))) static void read_part(void *context, size_t part)
{
    (void)context;
    size_t bytes = pool_bytes / READ_PARTS;
    const float *p = (const float *)(weights + part * bytes);
    __m256 s[8];
    for (int j = 0; j < 8; j++)
        s[j] = _mm256_setzero_ps();
    for (size_t i = 0; i < bytes / sizeof *p; i += 64)
        for (size_t j = 0; j < 8; j++)
            s[j] = _mm256_add_ps(s[j], _mm256_loadu_ps(p + i + 8 * j));
    for (int j = 1; j < 8; j++)
        s[0] = _mm256_add_ps(s[0], s[j]);
    sink[part] = _mm256_cvtss_f32(s[0]);
}

/* GB/s of a plain read by all threads. */
static double read_floor(void)
{
    double t = seconds_now();
    pool_run(read_part, NULL, READ_PARTS);
    return (double)pool_bytes / (seconds_now() - t) / 1e9;
}

enum { FMA_STEPS = 400000, FMA_CHAINS = 12 };

__attribute__((target("avx512f"))) static void fma_part_512(void *context, size_t part)
{
    (void)context;
    __m512 a[FMA_CHAINS], b = _mm512_set1_ps(0.999f);
    for (int j = 0; j < FMA_CHAINS; j++)
        a[j] = _mm512_set1_ps((float)j);
    for (int i = 0; i < FMA_STEPS; i++)
#pragma GCC unroll 12
        for (int j = 0; j < FMA_CHAINS; j++)
            a[j] = _mm512_fmadd_ps(a[j], b, b);
    for (int j = 1; j < FMA_CHAINS; j++)
        a[0] = _mm512_add_ps(a[0], a[j]);
    sink[part % READ_PARTS] = _mm512_cvtss_f32(a[0]);
}

__attribute__((target("avx2,fma"))) static void fma_part_256(void *context, size_t part)
{
    (void)context;
    __m256 a[FMA_CHAINS], b = _mm256_set1_ps(0.999f);
    for (int j = 0; j < FMA_CHAINS; j++)
        a[j] = _mm256_set1_ps((float)j);
    for (int i = 0; i < FMA_STEPS; i++)
#pragma GCC unroll 12
        for (int j = 0; j < FMA_CHAINS; j++)
            a[j] = _mm256_fmadd_ps(a[j], b, b);
    for (int j = 1; j < FMA_CHAINS; j++)
        a[0] = _mm256_add_ps(a[0], a[j]);
    sink[part % READ_PARTS] = _mm256_cvtss_f32(a[0]);
}

/* f32 GFLOP/s in registers, all threads. */
static double fma_floor(void)
{
    bool wide = __builtin_cpu_supports("avx512f");
    size_t parts = (size_t)pool_threads();
    double t = seconds_now();
    pool_run(wide ? fma_part_512 : fma_part_256, NULL, parts);
    return (double)parts * FMA_STEPS * FMA_CHAINS * (wide ? 32 : 16) / (seconds_now() - t) / 1e9;
}

/* --- What is measured. --- */

static const void *cold_weights(size_t bytes)
{
    if (next + bytes > pool_bytes)
        next = 0;
    const void *w = weights + next;
    next += (bytes + 63) / 64 * 64;
    return w;
}

typedef struct Case {
    const char *name;
    double flops, bytes; /* of one run; bytes 0: bound by arithmetic */
    void (*run)(const Kernels *t, const struct Case *c);
    DType type;
    size_t m, n, k;
} Case;

static void run_matmul(const Kernels *t, const Case *c)
{
    t->matmul(y, x, c->type, cold_weights(c->n * c->k * dtype_size(c->type)), NULL, false, c->m, c->n, c->k);
}

static void run_step(const Kernels *t, const Case *c)
{
    t->matmul_step(y, x, c->type, cold_weights(c->n * c->k * dtype_size(c->type)), NULL, false, c->m, c->n, c->k);
}

static void run_dx(const Kernels *t, const Case *c)
{
    t->matmul_dx(z, y, c->type, cold_weights(c->n * c->k * dtype_size(c->type)), c->m, c->n, c->k);
}

static void run_dw(const Kernels *t, const Case *c)
{
    t->matmul_dw(z, y, x, c->m, c->n, c->k);
}

static void run_gelu(const Kernels *t, const Case *c)
{
    t->gelu(y, x, c->m * c->n);
}

static void run_layernorm(const Kernels *t, const Case *c)
{
    t->layernorm(y, z, z + c->m, x, x, x, 1e-5, c->m, c->n);
}

static void run_token_logp(const Kernels *t, const Case *c)
{
    static const int32_t targets[64] = {0};
    t->token_logp(z, z + c->m, z + 2 * c->m, x, targets, c->m, c->n);
}

static void run_adam(const Kernels *t, const Case *c)
{
    AdamStep step = {.learning_rate = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 10};
    size_t n = c->m;
    float *p = (float *)weights;
    t->adam(p, x, p + n, p + 2 * n, &step, n);
}

/* m spans of n queries and k keys each, 16 heads of 88. */
static void run_attention(const Kernels *t, const Case *c)
{
    Span spans[64];
    for (size_t i = 0; i < c->m; i++)
        spans[i] = (Span){.q = i * c->n, .nq = c->n, .k = i * c->k, .nk = c->k};
    AttentionShape shape = {
        .spans = spans, .n_spans = c->m, .heads = 16, .cols = 1408, .q_rows = c->m * c->n, .scale = 0.1, .causal = c->n == c->k};
    shape.step = c->n == 1;
    const float *cache = c->n == 1 ? cold_weights(c->m * c->k * 1408 * 8) : x;
    t->attention(y, NULL, x, cache, c->n == 1 ? cache + c->m * c->k * 1408 : x, &shape);
}

/* GFLOP/s of OpenBLAS with all threads on the same shape; 0 where it has none (16-bit weights are compared with f32). */
static double blas_peer(const Case *c)
{
    const float *w = cold_weights(c->n * c->k * sizeof *w);
    openblas_set_num_threads(pool_threads());
    double t = seconds_now();
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)c->m, (int)c->n, (int)c->k, 1, x, (int)c->k, w, (int)c->k, 0, y,
                (int)c->n);
    t = seconds_now() - t;
    openblas_set_num_threads(1);
    return c->flops / t / 1e9;
}

static void measure(const Kernels *t, const Case *c)
{
    double speed[MAX_ROUNDS], ratio[MAX_ROUNDS], floor[MAX_ROUNDS], peer[MAX_ROUNDS];
    bool memory = c->bytes > 0, product = c->run == run_matmul || c->run == run_step || c->run == run_dx || c->run == run_dw;
    c->run(t, c);
    for (int r = 0; r < rounds; r++) {
        floor[r] = memory ? read_floor() : fma_floor();
        double start = seconds_now();
        c->run(t, c);
        double seconds = seconds_now() - start;
        speed[r] = (memory ? c->bytes : c->flops) / seconds / 1e9;
        peer[r] = product && c->m >= 16 ? blas_peer(c) : 0;
        ratio[r] = speed[r] / floor[r];
        peer[r] = peer[r] > 0 ? speed[r] / peer[r] : 0;
    }
    printf("%-14s %-5s %5zu x %5zu x %5zu  %8.1f %-8s floor %7.1f  ratio %5.2f", c->name, dtype_name(c->type), c->m, c->n, c->k,
           median(speed, rounds), memory ? "GB/s" : "GFLOP/s", median(floor, rounds), median(ratio, rounds));
    double against = median(peer, rounds);
    if (against > 0)
        printf("  of sgemm %5.2f", against);
    putchar('\n');
    fflush(stdout);
}

/* Few rows: the weights' bytes are what matters. */
static void measure_streamed(const Kernels *t, DType type, size_t m, size_t n, size_t k)
{
    double weight = (double)n * (double)k;
    measure(t, &(Case){"matmul_step", 2.0 * (double)m * weight, weight * (double)dtype_size(type), run_step, type, m, n, k});
}

static void measure_products(const Kernels *t)
{
    static const size_t steps[] = {1, 2, 4, 8, 16, 32, 64, 128, 320}, rows[] = {1, 8, 32, 64, 128, 256, 424, MAX_M};
    static const DType types[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        for (size_t d = 0; d < 3; d++)
            measure(t, &(Case){"matmul", 2.0 * (double)rows[i] * N * K, 0, run_matmul, types[d], rows[i], N, K});
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++)
        for (size_t d = 0; d < 3; d++) {
            size_t m = steps[i];
            if (m > 8) {
                measure(t, &(Case){"matmul_step", 2.0 * (double)m * N * K, 0, run_step, types[d], m, N, K});
                continue;
            }
            measure_streamed(t, types[d], m, N, K);
            measure_streamed(t, types[d], m, K, N); /* the inputs are four times as long */
        }
    for (size_t m = 64; m <= 512; m *= 2)
        for (size_t d = 0; d < 3; d++)
            measure(t, &(Case){"matmul_dx", 2.0 * (double)m * N * K, 0, run_dx, types[d], m, N, K});
    for (size_t m = 64; m <= 512; m *= 2)
        measure(t, &(Case){"matmul_dw", 2.0 * (double)m * K * K, 0, run_dw, DTYPE_F32, m, K, K});
}

static void measure_others(const Kernels *t)
{
    double values = 2056 * 6144;
    measure(t, &(Case){"gelu", 0, values * 8, run_gelu, DTYPE_F32, 2056, 6144, 0});
    measure(t, &(Case){"layernorm", 0, 2056 * 1408 * 8, run_layernorm, DTYPE_F32, 2056, 1408, 0});
    measure(t, &(Case){"token_logp", 0, 53 * VOCABULARY * 4.0, run_token_logp, DTYPE_F32, 53, VOCABULARY, 0});
    measure(t, &(Case){"adam", 0, 5e6 * 28, run_adam, DTYPE_F32, 5000000, 1, 0});
    measure(t, &(Case){"attention", 8 * 4.0 * 257 * 257 * 1408, 0, run_attention, DTYPE_F32, 8, 257, 257});
    measure(t, &(Case){"attention", 8 * 4.0 * 53 * 53 * 1408, 0, run_attention, DTYPE_F32, 8, 53, 53});
    measure(t, &(Case){"attention", 0, 8 * 53.0 * 1408 * 8, run_attention, DTYPE_F32, 8, 1, 53});
    measure(t, &(Case){"attention", 0, 32 * 512.0 * 1408 * 8, run_attention, DTYPE_F32, 32, 1, 512});
}

int main(int argc, char **argv)
{
    progname = "bench_kernels";
    pool_init(argc > 1 ? atoi(argv[1]) : 0);
    if (argc > 2)
        rounds = atoi(argv[2]);
    if (rounds < 1 || rounds > MAX_ROUNDS)
        die("rounds %d: from 1 to %d", rounds, MAX_ROUNDS);
    const Kernels *f32 = kernels_cpu(COMPUTE_F32), *best = kernels_cpu(COMPUTE_AUTO);
    weights = best->memory_new(pool_bytes);
    size_t most = (size_t)MAX_M * N;
    x = best->memory_new(most * sizeof *x);
    y = best->memory_new(most * sizeof *y);
    z = best->memory_new(most * sizeof *z);
    for (size_t i = 0; i < pool_bytes / 2; i++) /* values near 1 in any of the three types */
        ((uint16_t *)weights)[i] = (uint16_t)(0x3c00 + i * 7 % 256);
    for (size_t i = 0; i < most; i++) {
        x[i] = (float)(i % 13) * 0.1f - 0.6f;
        y[i] = z[i] = (float)(i % 7) * 0.1f;
    }
    printf("table %s, %d threads, %d rounds, OpenBLAS for %s\n", f32->name, pool_threads(), rounds, openblas_get_corename());
    measure_products(f32);
    measure_others(f32);
    if (best->compute == COMPUTE_BF16) {
        printf("table %s with bf16 inputs\n", best->name);
        measure_products(best);
    }
    return finish_stdout(STATUS_CLEAN);
}
