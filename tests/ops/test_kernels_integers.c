/* Integer sums of every table that this machine can run, and of a CUDA device where there is one, by their definition. */
#include "tables.h"

/* Integer sums: every table gives the same integers, those of the definition; what does not fit adds nothing and is told. */
static void check_integers(size_t n)
{
    const double bad[] = {8192, -9000, NAN, INFINITY};
    int64_t *sums = xcalloc(n + 1, sizeof *sums);
    double worst = 0;
    real *x = draw(n), *back_again = buffer(n);
    what = "integers";
    for (size_t pass = 0; pass < 3; pass++)
        fast->integers_add(sums, x, n, INT64_MAX, &worst);
    assert_true(worst == 0);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(sums[i], 3 * (int64_t)llrint((double)x[i] * INTEGERS_SCALE));
    fast->integers_get(back_again, sums, n);
    for (size_t i = 0; i < n; i++)
        assert_true(back_again[i] == (real)((double)sums[i] / INTEGERS_SCALE));
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const real one = (real)bad[i];
        int64_t sum = 7;
        worst = 0;
        fast->integers_add(&sum, &one, 1, INT64_MAX, &worst);
        assert_int_equal(sum, 7);
        assert_true(isnan(bad[i]) ? isnan(worst) : worst == (double)one);
    }
    assert_true(fast->idle());
    const real four = 4;
    int64_t sum = (int64_t)(INTEGERS_SCALE * 5);
    worst = 0;
    fast->integers_add(&sum, &four, 1, (int64_t)(INTEGERS_SCALE * 8), &worst);
    assert_true(worst == 9 && sum == (int64_t)(INTEGERS_SCALE * 5));
    free(sums);
    buffers_release();
}

static void integers(void)
{
    static const size_t sizes[] = {1, 17, 16384, 40001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_integers(sizes[i]);
}

TEST(integers)

static int run_all(int threads)
{
    pool_init(threads);
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_integers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return run_with_threads(__FILE__, run_all);
}
