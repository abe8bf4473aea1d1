/*
 * Values and gradients of every op against torch (tests/golden/ops/ops.bin and the script that made it), on every CPU table of
 * this machine. NMSE: the squared error over the squared size of what torch computed.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pool.h"
#include "cases.h"

/* A float has 24 bits, so NMSE 1e-14; sums and exponentials of a case's length stay far below 1e-10, a wrong formula does not. */
static const double tolerance = 1e-10;

enum { NAME = 32 };

typedef struct Golden {
    char *data; /* owned */
    size_t size;
} Golden;

/* The record, or NULL where there is none. */
static const float *golden_find(const Golden *g, const char *name, const char *what, size_t index, uint32_t *count)
{
    char key[NAME + 32] = "";
    snprintf(key, sizeof key, index == SIZE_MAX ? "%s.%s" : "%s.%s%zu", name, what, index);
    for (size_t at = 0; at + NAME + 4 <= g->size;) {
        memcpy(count, g->data + at + NAME, 4);
        if (strncmp(g->data + at, key, NAME) == 0)
            return (const float *)(g->data + at + NAME + 4);
        at += NAME + 4 + 4 * (size_t)*count;
    }
    return NULL;
}

static const float *golden_get(const Golden *g, const char *name, const char *what, size_t index, size_t n)
{
    uint32_t count;
    const float *values = golden_find(g, name, what, index, &count);
    if (!values || count != n)
        fail_msg("%s: %s %zu is missing or has not %zu values", name, what, index, n);
    return values;
}

static const float *leaf_values(World *w, size_t leaf_index, size_t n)
{
    return golden_get(w->golden, w->name, "leaf", leaf_index, n);
}

static void check(const Kernels *k, const char *name, const char *what, size_t index, const real *found, const float *expected,
                  size_t n)
{
    double error = 0, size = 0;
    for (size_t i = 0; i < n; i++) {
        double d = (double)found[i] - (double)expected[i];
        error += d * d;
        size += (double)expected[i] * (double)expected[i];
    }
    /* where torch says zero (one key: its softmax is 1), rounding of values near 1 is what may be left */
    double nmse = error / fmax(size, 1e-3);
    if (!(nmse <= tolerance))
        fail_msg("%s (%s): %s %d: NMSE %g, expected at most %g", name, k->name, what, (int)index, nmse, tolerance);
}

static void check_case(const Golden *g, const Kernels *k, const Case *c)
{
    Tape *t = tape_new(k);
    World w = {.name = c->name, .values = leaf_values, .golden = g};
    tape_record(t, true);
    Tensor *y = c->build(t, &w);
    size_t n = tensor_size(y);
    check(k, c->name, "y", SIZE_MAX, tensor_data(y), golden_get(g, c->name, "y", SIZE_MAX, n), n);
    const float *seed = golden_get(g, c->name, "c", SIZE_MAX, n);
    for (size_t i = 0; i < n; i++)
        y->grad[i] = (real)seed[i];
    tape_backward(t);
    for (size_t i = 0; i < w.n_leaves; i++) {
        n = tensor_size(&w.leaves[i]);
        if (w.leaves[i].grad)
            check(k, c->name, "gradient", i, w.leaves[i].grad, golden_get(g, c->name, "grad", i, n), n);
    }
    tape_free(t);
    world_release(&w);
}

static void test_against_torch(void **state)
{
    (void)state;
    Golden g;
    Error err = {0};
    g.data = file_read("tests/golden/ops/ops.bin", &g.size, &err);
    if (!g.data)
        fail_msg("%s", err.text);
    const Kernels *tables[16];
    size_t n_tables = kernels_cpu_all(tables, 16);
    for (size_t i = 0; i < n_tables; i++)
        for (size_t j = 0; j < N_CASES; j++)
            if (tables[i]->compute == COMPUTE_F32) /* torch did not round its inputs to bf16 */
                check_case(&g, tables[i], &cases[j]);
    free(g.data);
}

static int pool_start(void **state)
{
    (void)state;
    pool_init(2);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_torch),
    };
    return cmocka_run_group_tests(tests, pool_start, NULL);
}
