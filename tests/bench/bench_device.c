/*
 * Speed of the CUDA table at BLIP-2's shapes, slot by slot, each beside its floor: bytes over what a copy within the device
 * moves, or operations over what one large bf16 product by cuBLAS reaches, both measured here. Every slot runs on cold weights
 * where weights are what it reads. Medians; the last column is the floor's time over ours.
 *
 *   bench_device [DEVICE [ROUNDS]]        DEVICE: 0; says so where there is none
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/base.h"
#include "base/clock.h"
#include "base/random.h"
#include "tensor/kernels.h"
#include "tests/bench/median.h"

enum { MAX_ROUNDS = 99, REPEATS = 8, D = 2560, FFN = 10240, V = 1408, MLP = 6144, VOCABULARY = 50304 };

static const size_t pool_bytes = (size_t)3 << 30;
static const Kernels *k;
static char *pool; /* far larger than the device's cache */
static size_t next;
static real *x, *y, *z, *stats;
static int rounds = 5;
static double copy_speed, product_speed; /* bytes/s, operations/s */

/* Waits for the device. */
static void finish(void)
{
    real one;
    k->download(&one, x, sizeof one);
}

static void *cold(size_t bytes)
{
    if (next + bytes > pool_bytes)
        next = 0;
    void *p = pool + next;
    next += (bytes + 255) / 256 * 256;
    return p;
}

/* One case: what it is called, what it does, and what it has to do at least. */
typedef struct Case {
    const char *name;
    double flops, bytes;
    void (*run)(const struct Case *c);
    DType type;
    size_t m, n, k;
    bool causal;
} Case;

static double seconds_of(const Case *c)
{
    double all[MAX_ROUNDS];
    c->run(c);
    finish();
    for (int r = 0; r < rounds; r++) {
        double start = seconds_now();
        for (int i = 0; i < REPEATS; i++)
            c->run(c);
        finish();
        all[r] = (seconds_now() - start) / REPEATS;
    }
    return median(all, rounds);
}

static void measure(Case c)
{
    double seconds = seconds_of(&c), memory = c.bytes / copy_speed, arithmetic = c.flops / product_speed;
    double floor = memory > arithmetic ? memory : arithmetic;
    printf("%-20s %-4s %6zu x %6zu x %6zu  %9.1f us  %7.1f GB/s %7.2f TFLOP/s  floor %8.1f us  ratio %5.2f\n", c.name,
           dtype_name(c.type), c.m, c.n, c.k, seconds * 1e6, c.bytes / seconds / 1e9, c.flops / seconds / 1e12, floor * 1e6,
           floor / seconds);
    fflush(stdout);
}

static void run_copy(const Case *c)
{
    k->copy(pool, pool + pool_bytes / 2, c->m);
}

static void run_matmul(const Case *c)
{
    k->matmul(y, x, c->type, cold(c->n * c->k * dtype_size(c->type)), z, false, c->m, c->n, c->k);
}

static void run_dx(const Case *c)
{
    k->matmul_dx(y, x, c->type, cold(c->n * c->k * dtype_size(c->type)), c->m, c->n, c->k);
}

static void run_dw(const Case *c)
{
    k->matmul_dw(cold(c->n * c->k * sizeof(real)), x, y, c->m, c->n, c->k);
}

static void run_column_sums(const Case *c)
{
    k->column_sums(z, x, c->m, c->n);
}

static void run_layernorm(const Case *c)
{
    k->layernorm(y, stats, stats + c->m, x, z, z, 1e-5, c->m, c->n);
}

static void run_layernorm_backward(const Case *c)
{
    k->layernorm_backward(y, z, z, x, x, stats, stats + c->m, z, c->m, c->n);
}

static void run_gelu(const Case *c)
{
    k->gelu(y, x, c->m * c->n);
}

static void run_add(const Case *c)
{
    k->add(y, x, x, c->m * c->n);
}

static void run_adam(const Case *c)
{
    AdamStep step = {.learning_rate = 1e-5, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .step = 10};
    real *p = cold(4 * c->m * sizeof *p);
    k->adam(p, p + c->m, p + 2 * c->m, p + 3 * c->m, &step, c->m);
}

/* m sequences of n queries and k keys each; 16 heads of 88 or, causal, 32 of 80. */
static AttentionShape sequences(const Case *c, Span *spans)
{
    for (size_t i = 0; i < c->m; i++)
        spans[i] = (Span){.q = i * c->n, .nq = c->n, .k = i * c->k, .nk = c->k};
    return (AttentionShape){.spans = spans,
                            .n_spans = c->m,
                            .heads = c->causal ? 32 : 16,
                            .cols = c->causal ? D : V,
                            .q_rows = c->m * c->n,
                            .scale = 0.1,
                            .causal = c->causal};
}

static void run_attention(const Case *c)
{
    Span spans[256];
    AttentionShape shape = sequences(c, spans);
    k->attention(y, stats, x, x, x, &shape);
}

static void run_attention_backward(const Case *c)
{
    Span spans[256];
    AttentionShape shape = sequences(c, spans);
    real *dq = (real *)pool, *dk = dq + shape.q_rows * shape.cols, *dv = dk + c->m * c->k * shape.cols;
    k->attention_backward(dq, dk, dv, x, y, stats, x, x, x, &shape);
}

static void run_token_logp(const Case *c)
{
    static int32_t targets[4096];
    k->token_logp(stats, stats + c->m, stats + 2 * c->m, (real *)pool, targets, c->m, c->n);
}

static void run_token_logp_backward(const Case *c)
{
    static int32_t targets[4096];
    k->token_logp_backward((real *)pool, stats, (real *)pool, stats + c->m, targets, c->m, c->n);
}

static void run_scatter(const Case *c)
{
    static size_t rows[4096];
    for (size_t i = 0; i < c->m; i++)
        rows[i] = c->m - 1 - i;
    k->scatter(y, x, rows, c->m, c->n);
}

static Case product(const char *name, void (*run)(const Case *), DType type, size_t m, size_t n, size_t inner)
{
    double flops = 2.0 * (double)m * (double)n * (double)inner;
    double bytes = (double)dtype_size(type) * (double)n * (double)inner + 4.0 * (double)m * (double)(n + inner);
    return (Case){.name = name, .run = run, .type = type, .flops = flops, .bytes = bytes, .m = m, .n = n, .k = inner};
}

static Case rows_case(const char *name, void (*run)(const Case *), size_t m, size_t n, double passes)
{
    return (Case){.name = name, .run = run, .bytes = passes * 4.0 * (double)m * (double)n, .m = m, .n = n};
}

static Case attention_case(const char *name, void (*run)(const Case *), size_t m, size_t nq, size_t nk, bool causal,
                           double products)
{
    double cols = causal ? D : V, pairs = (double)m * (double)nq * (double)nk * (causal && nq == nk ? 0.5 : 1);
    double bytes = 4 * cols * (double)m * (double)(2 * nq + 2 * nk);
    return (Case){.name = name,
                  .run = run,
                  .flops = 2 * products * pairs * cols,
                  .bytes = bytes,
                  .m = m,
                  .n = nq,
                  .k = nk,
                  .causal = causal};
}

static void measure_products(void)
{
    static const size_t few[] = {1, 8, 16, 32, 64};
    for (size_t i = 0; i < sizeof few / sizeof *few; i++) {
        measure(product("matmul", run_matmul, DTYPE_BF16, few[i], D, D));
        measure(product("matmul", run_matmul, DTYPE_BF16, few[i], FFN, D));
        measure(product("matmul", run_matmul, DTYPE_BF16, few[i], D, FFN));
        measure(product("matmul", run_matmul, DTYPE_BF16, few[i], VOCABULARY, D));
    }
    measure(product("matmul", run_matmul, DTYPE_F32, 1, FFN, D));
    measure(product("matmul", run_matmul, DTYPE_F32, 32, FFN, D));
    measure(product("matmul", run_matmul, DTYPE_F16, 32, FFN, D));
    for (size_t m = 257 * 16; m <= 257 * 64; m *= 4) {
        measure(product("matmul", run_matmul, DTYPE_BF16, m, V, V));
        measure(product("matmul", run_matmul, DTYPE_BF16, m, MLP, V));
        measure(product("matmul", run_matmul, DTYPE_BF16, m, V, MLP));
    }
    measure(product("matmul", run_matmul, DTYPE_F16, 257 * 64, MLP, V));
    for (size_t m = 16 * 53; m <= 128 * 53; m *= 8) {
        measure(product("matmul", run_matmul, DTYPE_BF16, m, D, D));
        measure(product("matmul", run_matmul, DTYPE_BF16, m, FFN, D));
        measure(product("matmul_dx", run_dx, DTYPE_BF16, m, FFN, D));
        measure(product("matmul_dx", run_dx, DTYPE_BF16, m, D, FFN));
    }
    measure(product("matmul", run_matmul, DTYPE_BF16, 256, VOCABULARY, D));
    measure(product("matmul_dx", run_dx, DTYPE_BF16, 256, VOCABULARY, D));
    measure(product("matmul", run_matmul, DTYPE_F32, 20 * 128, FFN, D));
    measure(product("matmul_dw", run_dw, DTYPE_F32, 20 * 128, FFN, D));
    measure(product("matmul", run_matmul, DTYPE_F32, 53 * 128, 4, D)); /* LoRA */
    measure(product("matmul", run_matmul, DTYPE_F32, 53 * 128, D, 4));
    measure(product("matmul_dw", run_dw, DTYPE_F32, 53 * 128, 4, D));
}

static void measure_rows(void)
{
    measure(rows_case("column_sums", run_column_sums, 20 * 128, FFN, 1));
    measure(rows_case("layernorm", run_layernorm, 257 * 64, V, 2));
    measure(rows_case("layernorm", run_layernorm, 32, D, 2));
    measure(rows_case("layernorm_backward", run_layernorm_backward, 53 * 128, D, 4));
    measure(rows_case("gelu", run_gelu, 257 * 64, MLP, 2));
    measure(rows_case("add", run_add, 257 * 64, V, 3));
    measure(rows_case("add", run_add, 32, D, 3));
    measure(rows_case("scatter", run_scatter, 32, D, 2));
    measure(rows_case("adam", run_adam, 100000000, 1, 7));
    measure(rows_case("token_logp", run_token_logp, 256, VOCABULARY, 1));
    measure(rows_case("token_logp_backward", run_token_logp_backward, 256, VOCABULARY, 2));
}

static void measure_attention(void)
{
    measure(attention_case("attention", run_attention, 64, 257, 257, false, 2));
    measure(attention_case("attention", run_attention, 64, 32, 257, false, 2));
    measure(attention_case("attention", run_attention, 128, 53, 53, true, 2));
    measure(attention_case("attention", run_attention, 32, 1, 53, true, 2));
    measure(attention_case("attention_backward", run_attention_backward, 64, 32, 257, false, 5));
    measure(attention_case("attention_backward", run_attention_backward, 128, 53, 53, true, 5));
}

static real *filled(size_t n, uint32_t stream)
{
    real *host = xmalloc(n * sizeof *host), *p = k->memory_new(n * sizeof *p);
    for (size_t i = 0; i < n; i++) /* random bits of numbers in [-1, 1): no card is at its fastest with those */
        host[i] = (real)((double)(uint32_t)random_bits(stream, 1, 2, (uint32_t)i) / 2147483648.0 - 1);
    k->upload(p, host, n * sizeof *p);
    free(host);
    return p;
}

int main(int argc, char **argv)
{
    progname = "bench_device";
    Error err = {0};
    if (argc > 2)
        rounds = atoi(argv[2]);
    if (rounds < 1 || rounds > MAX_ROUNDS)
        die("rounds %d: from 1 to %d", rounds, MAX_ROUNDS);
    if (!kernels_cuda(argc > 1 ? atoi(argv[1]) : 0, COMPUTE_BF16, &k, &err)) {
        printf("SKIPPED: %s\n", err.text);
        return finish_stdout(STATUS_CLEAN);
    }
    const size_t most = (size_t)257 * 64 * MLP, part = 1 << 24;
    x = filled(most, 3);
    y = k->memory_new(most * sizeof *y);
    z = filled(VOCABULARY, 4);
    stats = filled((size_t)257 * 64 * 32 * 2, 5);
    pool = k->memory_new(pool_bytes);
    /* Weights of any type: pairs of bf16 in [0.25, 0.5), which are small numbers read as f32 or f16 too. */
    uint16_t *host = xmalloc(part * sizeof *host);
    for (size_t i = 0; i < part; i++)
        host[i] = (uint16_t)((random_bits(6, 1, 2, (uint32_t)i) & 0x80ff) | 0x3e80);
    for (size_t at = 0; at < pool_bytes; at += part * sizeof *host)
        k->upload(pool + at, host, part * sizeof *host);
    free(host);
    Case copy = {.name = "copy", .run = run_copy, .m = (size_t)1 << 30},
         peak = product("", run_matmul, DTYPE_BF16, 8192, 8192, 8192);
    copy_speed = 2.0 * (double)copy.m / seconds_of(&copy);
    product_speed = peak.flops / seconds_of(&peak);
    printf(
        "a copy moves %.2f TB/s (read and written), a product of 8192 x 8192 x 8192 by cuBLAS from bf16 weights %.0f TFLOP/s\n",
        copy_speed / 1e12, product_speed / 1e12);
    measure_products();
    measure_rows();
    measure_attention();
    return finish_stdout(STATUS_CLEAN);
}
