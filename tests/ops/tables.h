/*
 * What the tests of kernel tables share: buffers with sentinels behind them, drawn numbers, comparison by NMSE, and the loop over
 * every table of this machine, CUDA's among them where there is a device, with one thread and with two. TEST_THREADS=N runs a
 * test in its own process with N threads.
 */
#ifndef TESTS_OPS_TABLES_H
#define TESTS_OPS_TABLES_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/pool.h"
#include "base/random.h"
#include "tensor/kernels.h"
#include "tests/ops/mirror.h"

/*
 * NMSE, the squared error over the squared size of what plain computes. The tables sum in another order: a sum of k terms in f32
 * is off by about sqrt(k) 2^-24, so k = 1000 gives 4e-12.
 */
static const double tolerance = 1e-10;

/* exp and erf by polynomials, 2^-22 or so; and values near zero that are differences of larger ones. */
static const double tolerance_functions = 1e-9;

enum { SENTINELS = 32, MAX_BUFFERS = 96, MAX_TABLES = 16 };
static const real sentinel = (real)-12345.5;

/* Buffers of one check, each with sentinels behind it. */
static struct {
    real *data;
    size_t n;
} buffers[MAX_BUFFERS];
static size_t n_buffers;
static uint32_t drawn; /* buffers drawn so far: each has numbers of its own */

static const Kernels *plain, *fast;
static const char *what; /* the slot under test */

static real *buffer(size_t n)
{
    assert_true(n_buffers < MAX_BUFFERS);
    real *data = malloc((n + SENTINELS) * sizeof *data);
    for (size_t i = 0; i < n; i++)
        data[i] = 0;
    for (size_t i = n; i < n + SENTINELS; i++)
        data[i] = sentinel;
    buffers[n_buffers].data = data;
    buffers[n_buffers++].n = n;
    return data;
}

/* Of variance 1. Normal numbers are for small buffers: in large ones they took four fifths of a test's time. */
static real *draw(size_t n)
{
    enum { NORMAL_MOST = 1024 };
    const float scale = 1.7320508f / 2147483648;
    real *data = buffer(n);
    uint32_t bits[4];
    drawn++;
    for (size_t i = 0; i < n && n <= NORMAL_MOST; i++)
        data[i] = (real)(float)random_normal(3, drawn, 1, (uint32_t)i);
    for (size_t i = 0; i < n && n > NORMAL_MOST; i++) {
        if (i % 4 == 0)
            philox((const uint32_t[4]){(uint32_t)(i / 4), drawn, 1, 0}, (const uint32_t[2]){3, 0}, bits);
        data[i] = (real)((float)(int32_t)bits[i % 4] * scale);
    }
    return data;
}

/* A copy of x: the second table starts from what the first did. */
static inline real *twin(const real *x, size_t n)
{
    real *data = buffer(n);
    for (size_t i = 0; i < n; i++)
        data[i] = x[i];
    return data;
}

static void buffers_release(void)
{
    for (size_t i = 0; i < n_buffers; i++) {
        for (size_t j = 0; j < SENTINELS; j++)
            if (buffers[i].data[buffers[i].n + j] != sentinel)
                fail_msg("%s (%s): wrote behind a buffer of %zu values", what, fast->name, buffers[i].n);
        free(buffers[i].data);
    }
    n_buffers = 0;
}

static inline void check(const real *found, const real *expected, size_t n, double most)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double f = (double)found[i], e = (double)expected[i];
        if (isnan(f) != isnan(e) || (isinf(e) && f != e) || (isinf(f) && !isinf(e)))
            fail_msg("%s (%s): value %zu of %zu is %g, plain has %g", what, fast->name, i, n, f, e);
        if (!isfinite(e))
            continue;
        error += (f - e) * (f - e);
        size += e * e;
    }
    if (!(error <= most * size + 1e-20))
        fail_msg("%s (%s, %s): NMSE %g over %zu values, expected at most %g", what, fast->name,
                 fast->compute == COMPUTE_BF16 ? "bf16" : "f32", error / size, n, most);
}

static inline bool same(real a, real b)
{
    return memcmp(&a, &b, sizeof a) == 0 || (isnan(a) && isnan(b));
}

static inline void *weights_of(DType type, const real *values, size_t n)
{
    void *w = malloc(n * dtype_size(type) + 1);
    for (size_t i = 0; i < n; i++)
        dtype_store(type, w, i, (double)values[i] * 0.1);
    return w;
}

static const DType dtypes[] = {DTYPE_F32, DTYPE_F16, DTYPE_BF16, DTYPE_F64};

static void on_table(const Kernels *table, void (*test)(void))
{
    const Kernels *tables[MAX_TABLES];
    kernels_cpu_all(tables, MAX_TABLES);
    plain = tables[table->compute == COMPUTE_BF16];
    assert_string_equal(plain->name, "plain");
    assert_int_equal(plain->compute, table->compute);
    fast = table;
    test();
}

/* The CUDA tables, where a device is found; else says why not. */
static inline void on_cuda_tables(void (*test)(void))
{
    for (Compute c = COMPUTE_F32; c <= COMPUTE_BF16; c++) {
        const Kernels *cuda;
        Error err = {0};
        if (kernels_cuda(0, c, &cuda, &err))
            on_table(mirror_of(cuda), test);
        else
            print_message("# CUDA is not compared with plain: %s\n", err.text);
    }
}

static inline void on_every_table(void (*test)(void))
{
    const Kernels *tables[MAX_TABLES];
    size_t n = kernels_cpu_all(tables, MAX_TABLES);
    assert_true(n >= 2);
    for (size_t i = 0; i < n; i++)
        on_table(tables[i], test);
    on_table(mirror_of(tables[0]), test);
    on_table(mirror_of(tables[1]), test);
    on_cuda_tables(test);
}

#define TEST(NAME)                        \
    static void test_##NAME(void **state) \
    {                                     \
        (void)state;                      \
        on_every_table(NAME);             \
    }

/* Runs the tests with one thread in a child, for a pool cannot be started twice, and with two here. */
static int run_with_threads(const char *name, int (*run)(int threads))
{
    const char *threads = getenv("TEST_THREADS");
    if (threads)
        return run(atoi(threads));
    fflush(stdout);
    pid_t child = fork();
    if (child == 0)
        exit(run(1));
    int status = 0;
    if (child < 0 || waitpid(child, &status, 0) != child || status != 0) {
        fprintf(stderr, "%s with one thread failed\n", name);
        return 1;
    }
    return run(2);
}

#endif
