/* Products of every table that this machine can run, against the plain one: odd shapes, every number type, NaN and infinity. */
#include "tables.h"

enum { MANY = 400, SOME = 32 }; /* rows: of many, which are not a step's, plain computes some at either end */

static void check_matmul(DType type, size_t m, size_t n, size_t k)
{
    real *x = draw(m * k), *bias = draw(n), *dy = draw(m * n);
    void *w = weights_of(type, draw(n * k), n * k);
    what = "matmul";
    for (int add = 0; add < 2; add++) {
        real *y = draw(m * n), *z = twin(y, m * n);
        real *step = m < MANY ? twin(z, m * n) : NULL;
        fast->matmul(z, x, type, w, add ? NULL : bias, add, m, n, k);
        for (size_t first = 0, rows = m < MANY ? m : SOME; first < m; first += m < MANY ? m : m - SOME) {
            plain->matmul(y + first * n, x + first * k, type, w, add ? NULL : bias, add, rows, n, k);
            check(z + first * n, y + first * n, rows * n, tolerance);
        }
        if (!step)
            continue;
        fast->matmul_step(step, x, type, w, add ? NULL : bias, add, m, n, k);
        check(step, y, m * n, tolerance);
    }
    what = "matmul_dx";
    real *dx = draw(m * k), *dz = twin(dx, m * k);
    plain->matmul_dx(dx, dy, type, w, m, n, k);
    fast->matmul_dx(dz, dy, type, w, m, n, k);
    check(dz, dx, m * k, tolerance);
    free(w);
    what = "a product's buffer";
    buffers_release();
}

static void products(void)
{
    for (size_t m = 1; m <= 33; m++)
        for (size_t d = 0; d < 4; d++)
            check_matmul(dtypes[d], m, 2 * m + 1, 3 * m + 7);
    static const size_t shapes[][3] = {{1, 1, 1},     {1, 97, 1},    {3, 1, 200},   {64, 65, 63},   {65, 64, 129},
                                       {257, 33, 17}, {64, 300, 80}, {7, 129, 515}, {257, 88, 257}, {300, 1, 3},
                                       {1, 83, 1300}, {2, 83, 1300}, {1, 83, 3467}, {1, 83, 6501},  {2, 3, 6501}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t d = 0; d < 4; d++)
            check_matmul(dtypes[d], shapes[i][0], shapes[i][1], shapes[i][2]);
}

/* As many rows, columns and terms as are computed in more than one go. */
static void large_products(void)
{
    static const size_t shapes[][3] = {{70, 20, 3500}, {1030, 33, 400}, {1024, 20, 3300}, {1025, 2800, 390}, {11000, 17, 390}};
    if (strcmp(fast->name, "plain") == 0)
        return; /* it has no other way for them */
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_matmul(i % 2 ? DTYPE_F32 : DTYPE_BF16, shapes[i][0], shapes[i][1], shapes[i][2]);
}

enum { MOST_ROWS = 64, MOST_COLUMNS = 83 };

static void check_rows_alone(DType type, size_t rows, size_t n, size_t k)
{
    real *x = draw(rows * k), *all = buffer(rows * n), *bias = draw(n), some[MOST_ROWS * MOST_COLUMNS];
    void *w = weights_of(type, draw(n * k), n * k);
    fast->matmul_step(all, x, type, w, bias, false, rows, n, k);
    for (size_t m = 1; m < rows; m += m < 20 ? 1 : 11)
        for (size_t first = 0; first + m <= rows; first += 13) {
            fast->matmul_step(some, x + first * k, type, w, bias, false, m, n, k);
            for (size_t i = 0; i < m * n; i++)
                if (!same(some[i], all[first * n + i]))
                    fail_msg("%s (%s): a row of %s weights, %zu deep, differs between %zu rows and %zu", what, fast->name,
                             dtype_name(type), k, rows, m);
        }
    free(w);
    buffers_release();
}

/*
 * A row of a step's product of up to 64 rows is the same to the last bit whatever else is in it, however w is read for so many
 * rows; on CUDA, too. What holds on CPUs for any number is in test_kernels_rows.c.
 */
static void rows_alone(void)
{
    static const size_t shapes[][3] = {{MOST_ROWS, MOST_COLUMNS, 147}, {3, 19, 1300}, {3, MOST_COLUMNS, 3467}, {3, 19, 6501}};
    what = "matmul_step, row by row";
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t d = 0; d < 4; d++)
            check_rows_alone(dtypes[d], shapes[i][0], shapes[i][1], shapes[i][2]);
}

/* NaN and infinity come through, and only where they belong. */
static void products_not_finite(void)
{
    what = "matmul of NaN and infinity";
    for (size_t d = 0; d < 4; d++)
        for (size_t m = 3; m < 80; m += 70) {
            enum { N = 19, K = 33 };
            real *x = draw(m * K), *y = buffer(m * N), *z = buffer(m * N);
            x[K + 5] = NAN;
            x[2 * K + 1] = INFINITY;
            void *w = weights_of(dtypes[d], draw(N * K), N * K);
            plain->matmul(y, x, dtypes[d], w, NULL, false, m, N, K);
            fast->matmul(z, x, dtypes[d], w, NULL, false, m, N, K);
            assert_true(isfinite(y[0]) && isnan(y[N]) && isinf(y[2 * N]));
            check(z, y, m * N, tolerance);
            fast->matmul_step(z, x, dtypes[d], w, NULL, false, m, N, K);
            check(z, y, m * N, tolerance);
            free(w);
            buffers_release();
        }
}

static void weight_gradients(void)
{
    static const size_t shapes[][3] = {{1, 1, 1},     {1, 17, 9},   {5, 3, 40},     {33, 66, 7},    {64, 31, 65},
                                       {257, 45, 33}, {700, 50, 4}, {33, 1030, 40}, {400, 1031, 19}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        size_t m = shapes[i][0], n = shapes[i][1], k = shapes[i][2];
        real *dy = draw(m * n), *x = draw(m * k);
        real *dw = draw(n * k), *dz = twin(dw, n * k), *db = draw(n), *dc = twin(db, n);
        what = "matmul_dw";
        plain->matmul_dw(dw, dy, x, m, n, k);
        fast->matmul_dw(dz, dy, x, m, n, k);
        check(dz, dw, n * k, tolerance);
        what = "column_sums";
        plain->column_sums(db, dy, m, n);
        fast->column_sums(dc, dy, m, n);
        check(dc, db, n, tolerance);
        buffers_release();
    }
}

/* The same call twice gives the same bits. */
static void same_again(void)
{
    enum { M = 300, N = 130, K = 70 };
    what = "matmul, matmul_dx, matmul_dw twice";
    real *x = draw(M * K), *w = draw(N * K), *dy = draw(M * N), *y[2], *dx[2], *dw[2];
    void *narrow = weights_of(DTYPE_BF16, w, N * K);
    for (int i = 0; i < 2; i++) {
        y[i] = buffer(M * N);
        dx[i] = buffer(M * K);
        dw[i] = buffer(N * K);
        fast->matmul(y[i], x, DTYPE_BF16, narrow, NULL, false, M, N, K);
        fast->matmul_dx(dx[i], dy, DTYPE_BF16, narrow, M, N, K);
        fast->matmul_dw(dw[i], dy, x, M, N, K);
    }
    assert_memory_equal(y[0], y[1], M * N * sizeof(real));
    assert_memory_equal(dx[0], dx[1], M * K * sizeof(real));
    assert_memory_equal(dw[0], dw[1], N * K * sizeof(real));
    free(narrow);
    buffers_release();
}

/* COMPUTE_BF16 is what it says: the product of rounded inputs, not of the inputs as they are. */
static void bf16_rounds(void)
{
    float w = 1;
    uint16_t narrow;
    dtype_convert(DTYPE_BF16, &narrow, DTYPE_F32, &w, 1);
    real x = (real)1.00390625, y = 0, z = 0; /* 1 + 2^-8: halfway between two bf16, to even is 1 */
    fast->matmul(&y, &x, DTYPE_BF16, &narrow, NULL, false, 1, 1, 1);
    fast->matmul(&z, &x, DTYPE_F32, &w, NULL, false, 1, 1, 1);
    assert_true(y == (fast->compute == COMPUTE_BF16 ? 1 : x));
    assert_true(z == x);
}

TEST(products)
TEST(large_products)
TEST(rows_alone)
TEST(products_not_finite)
TEST(weight_gradients)
TEST(same_again)
TEST(bf16_rounds)

static int run_all(int threads)
{
    pool_init(threads);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),         cmocka_unit_test(test_large_products),
        cmocka_unit_test(test_rows_alone),       cmocka_unit_test(test_products_not_finite),
        cmocka_unit_test(test_weight_gradients), cmocka_unit_test(test_same_again),
        cmocka_unit_test(test_bf16_rounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return run_with_threads(__FILE__, run_all);
}
