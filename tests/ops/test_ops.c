/*
 * Every op's gradient against central differences: to 1e-7 in the double build; in the float build, where differences themselves
 * are good to a few parts in a thousand, as a check that both builds compute alike. Segments on and off give the same bits, and
 * what leads to no gradient leaves nothing behind.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/pool.h"
#include "cases.h"

/* Central differences err by h^2 f''' / 6 and by rounding / h. */
static const double step = sizeof(real) == 8 ? 1e-5 : 3e-3, tolerance = sizeof(real) == 8 ? 1e-7 : 1e-2;

/* A fixed random weighting of the result: the loss is sum(c y), and c seeds the gradient. */
static double weighting(size_t i)
{
    return random_normal(11, 0, 5, (uint32_t)i);
}

static double loss(Tape *t, const Case *c, World *w)
{
    w->next = 0;
    tape_record(t, false);
    const Tensor *y = c->build(t, w);
    double sum = 0;
    for (size_t i = 0; i < tensor_size(y); i++)
        sum += weighting(i) * (double)tensor_data(y)[i];
    tape_reset(t);
    return sum;
}

static void gradients(Tape *t, const Case *c, World *w)
{
    for (size_t i = 0; i < w->n_leaves; i++)
        if (w->leaves[i].grad)
            memset(w->leaves[i].grad, 0, tensor_size(&w->leaves[i]) * sizeof(real));
    w->next = 0;
    tape_record(t, true);
    Tensor *y = c->build(t, w);
    assert_non_null(y->grad);
    for (size_t i = 0; i < tensor_size(y); i++)
        y->grad[i] = (real)weighting(i);
    tape_backward(t);
    tape_reset(t);
    tape_record(t, false);
}

static double difference(Tape *t, const Case *c, World *w, Tensor *x, size_t i)
{
    real *value = &tensor_data(x)[i], kept = *value;
    *value = (real)((double)kept + step);
    double above = loss(t, c, w), high = (double)*value;
    *value = (real)((double)kept - step);
    double below = loss(t, c, w), low = (double)*value;
    *value = kept;
    return (above - below) / (high - low);
}

/* |found - expected| / |expected| over a leaf. */
static void check_leaf(Tape *t, const Case *c, World *w, size_t leaf_index)
{
    Tensor *x = &w->leaves[leaf_index];
    double error = 0, size = 0;
    for (size_t i = 0; i < tensor_size(x); i++) {
        double d = difference(t, c, w, x, i);
        error += (d - (double)x->grad[i]) * (d - (double)x->grad[i]);
        size += d * d;
    }
    /* a gradient that is zero up to rounding (one key: its softmax is 1) is compared with the loss's own size */
    double relative = sqrt(error) / fmax(sqrt(size), 1e-2);
    if (!(relative <= tolerance))
        fail_msg("%s: gradient of leaf %zu: relative error %g, expected at most %g", c->name, leaf_index, relative, tolerance);
}

static void test_gradients(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        Tape *t = tape_new(kernels_cpu(COMPUTE_F32));
        World w = {.name = cases[i].name};
        loss(t, &cases[i], &w);
        gradients(t, &cases[i], &w);
        size_t checked = 0;
        for (size_t j = 0; j < w.n_leaves; j++)
            if (w.leaves[j].grad) {
                check_leaf(t, &cases[i], &w, j);
                checked++;
            }
        assert_true(checked > 0);
        world_release(&w);
        tape_free(t);
    }
}

static void test_checkpointing_same_bits(void **state)
{
    (void)state;
    for (size_t i = 0; i < N_CASES; i++) {
        if (strncmp(cases[i].name, "segments", 8) != 0)
            continue;
        Tape *t = tape_new(kernels_cpu(COMPUTE_AUTO));
        World w[2] = {{.name = cases[i].name}, {.name = cases[i].name}};
        for (int on = 0; on < 2; on++) {
            tape_checkpointing(t, on);
            loss(t, &cases[i], &w[on]);
            gradients(t, &cases[i], &w[on]);
        }
        for (size_t j = 0; j < w[0].n_leaves; j++)
            if (w[0].leaves[j].grad)
                assert_memory_equal(w[0].leaves[j].grad, w[1].leaves[j].grad, tensor_size(&w[0].leaves[j]) * sizeof(real));
        world_release(&w[0]);
        world_release(&w[1]);
        tape_free(t);
    }
}

static int pool_start(void **state)
{
    (void)state;
    const char *threads = getenv("TEST_THREADS");
    pool_init(threads ? atoi(threads) : 2);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_gradients),
        cmocka_unit_test(test_checkpointing_same_bits),
    };
    return cmocka_run_group_tests(tests, pool_start, NULL);
}
