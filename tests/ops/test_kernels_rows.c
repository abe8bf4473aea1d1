/*
 * Rows do not depend on one another: on every CPU table a row of a product, a query of an attention, a row of whatever else works
 * by rows is the same to the last bit alone and among any others, and on one thread and on two.
 */
#include <sys/mman.h>

#include "tables.h"

enum { ROWS = 200, MAX_DIGESTS = 1 << 14 };

static const size_t batches[] = {1, 2, 7, 63, 64, 65, 200};
enum { BATCHES = sizeof batches / sizeof *batches };

/* What one thread computed, in order of the checks; shared with the process of the other run. */
static uint64_t *digests;
static size_t n_digests;
static int threads_here;

/* Two threads compute what one did. */
static void keep(const real *x, size_t n)
{
    uint64_t hash = 1469598103934665603u; /* FNV-1a; never 0 in practice, which means none */
    for (size_t i = 0; i < n * sizeof *x; i++)
        hash = (hash ^ ((const unsigned char *)x)[i]) * 1099511628211u;
    assert_true(n_digests < MAX_DIGESTS);
    if (threads_here == 2 && digests[n_digests] != 0 && digests[n_digests] != hash)
        fail_msg("%s (%s): two threads compute otherwise than one", what, fast->name);
    digests[n_digests++] = hash;
}

/* Which row of all is row i of a batch: each batch has other neighbours, in another order. */
static size_t picked(size_t batch, size_t first, size_t i)
{
    static const size_t strides[] = {1, 3, 7, 9, 11, 13, 199}; /* none divides ROWS */
    return (first + i * strides[batch]) % ROWS;
}

static void pick(real *to, const real *all, size_t cols, size_t batch, size_t first)
{
    for (size_t i = 0; i < batches[batch]; i++)
        memcpy(to + i * cols, all + picked(batch, first, i) * cols, cols * sizeof *to);
}

static void expect_picked(const real *found, const real *all, size_t cols, size_t batch, size_t first)
{
    for (size_t i = 0; i < batches[batch]; i++)
        for (size_t j = 0; j < cols; j++)
            if (!same(found[i * cols + j], all[picked(batch, first, i) * cols + j]))
                fail_msg("%s (%s, %s): value %zu of row %zu is not the same among %zu rows and among %zu", what, fast->name,
                         fast->compute == COMPUTE_BF16 ? "bf16" : "f32", j, picked(batch, first, i), batches[batch],
                         (size_t)ROWS);
}

/* What works by rows: y [rows, out] (which holds `held` before) from x [rows, in]. */
typedef struct Work {
    size_t in, out;
    const real *held; /* [ROWS, out]; NULL: zeros */
    void (*run)(const struct Work *w, real *y, const real *x, size_t rows);
    DType type;
    const void *weights;
    const real *bias, *gamma;
} Work;

static void check_rows(const char *name, const Work *w)
{
    what = name;
    real *x = draw(ROWS * w->in), *some = buffer(ROWS * w->in), *all = buffer(ROWS * w->out), *found = buffer(ROWS * w->out);
    if (w->held)
        memcpy(all, w->held, ROWS * w->out * sizeof *all);
    w->run(w, all, x, ROWS);
    keep(all, ROWS * w->out);
    for (size_t b = 0; b < BATCHES; b++)
        for (size_t first = 0; first < ROWS; first += 67) {
            pick(some, x, w->in, b, first);
            memset(found, 0, ROWS * w->out * sizeof *found);
            if (w->held)
                pick(found, w->held, w->out, b, first);
            w->run(w, found, some, batches[b]);
            expect_picked(found, all, w->out, b, first);
        }
}

/* ---- products ---- */

static void run_matmul(const Work *w, real *y, const real *x, size_t rows)
{
    fast->matmul(y, x, w->type, w->weights, w->bias, w->held != NULL, rows, w->out, w->in);
}

static void run_matmul_step(const Work *w, real *y, const real *x, size_t rows)
{
    fast->matmul_step(y, x, w->type, w->weights, w->bias, w->held != NULL, rows, w->out, w->in);
}

static void run_matmul_dx(const Work *w, real *y, const real *x, size_t rows)
{
    fast->matmul_dx(y, x, w->type, w->weights, rows, w->in, w->out);
}

static void check_products(DType type, size_t n, size_t k)
{
    void *weights = weights_of(type, draw(n * k), n * k);
    Work w = {.in = k, .out = n, .run = run_matmul, .type = type, .weights = weights, .bias = draw(n)};
    check_rows("matmul", &w);
    w.run = run_matmul_step;
    check_rows("matmul_step", &w);
    w.held = draw(ROWS * n);
    check_rows("matmul_step that adds", &w);
    w.run = run_matmul;
    check_rows("matmul that adds", &w);
    w = (Work){.in = n, .out = k, .run = run_matmul_dx, .type = type, .weights = weights, .held = draw(ROWS * k)};
    if (strcmp(fast->name, "plain") != 0) /* whose gradients are OpenBLAS's */
        check_rows("matmul_dx", &w);
    free(weights);
    buffers_release();
}

/* Panels and tiles that end early, several blocks of terms, an adapter's A and B. */
static void products(void)
{
    static const size_t shapes[][2] = {{83, 147}, {19, 1300}, {4, 90}, {90, 4}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        for (size_t d = 0; d < 3; d++)
            check_products(dtypes[d], shapes[i][0], shapes[i][1]);
}

/* ---- attention ---- */

enum { HEADS = 2, HEAD = 24, COLS = HEADS * HEAD, QUERIES = 75 };

/* out of the queries of one sequence, cut into spans: those up to each of `cuts`, the keys before them as a prefix. */
static void attend_in_pieces(real *out, const real *q, const real *k, const real *v, bool causal, const size_t *cuts, size_t n)
{
    Span spans[QUERIES];
    for (size_t i = 0, from = 0; i < n; from = cuts[i++])
        spans[i] = causal ? (Span){from, cuts[i] - from, 0, from, from, cuts[i] - from}
                          : (Span){from, cuts[i] - from, 0, 30, 30, QUERIES - 30};
    AttentionShape shape = {spans, n, HEADS, COLS, QUERIES, 0.2, causal, false};
    fast->attention(out, NULL, q, k, v, &shape);
}

/* A sequence that begins like another one is cut where they part: each of its rows stays the same. */
static void attention_in_pieces(void)
{
    what = "attention in pieces";
    for (int causal = 0; causal < 2; causal++) {
        real *q = draw(QUERIES * COLS), *k = draw(QUERIES * COLS), *v = draw(QUERIES * COLS);
        real *whole = buffer(QUERIES * COLS), *pieces = buffer(QUERIES * COLS);
        attend_in_pieces(whole, q, k, v, causal, &(size_t){QUERIES}, 1);
        keep(whole, QUERIES * COLS);
        for (size_t cut = 1; cut < QUERIES; cut += cut < 6 ? 1 : 9) {
            attend_in_pieces(pieces, q, k, v, causal, (size_t[]){cut, QUERIES}, 2);
            for (size_t i = 0; i < QUERIES * COLS; i++)
                if (!same(pieces[i], whole[i]))
                    fail_msg("%s (%s): query %zu differs where the sequence is cut at %zu", what, fast->name, i / COLS, cut);
        }
        buffers_release();
    }
}

/* x holds a query for each of `rows` sequences; all of them read the keys of sequence 0, as captions of one image do. */
static void run_attention(const Work *w, real *y, const real *x, size_t rows, bool step)
{
    Span spans[ROWS];
    for (size_t i = 0; i < rows; i++)
        spans[i] = (Span){i, 1, 0, 20, 20, 17};
    AttentionShape shape = {spans, rows, HEADS, COLS, rows, 0.2, true, step};
    fast->attention(y, NULL, x, w->bias, w->gamma, &shape);
}

static void run_attention_step(const Work *w, real *y, const real *x, size_t rows)
{
    run_attention(w, y, x, rows, true);
}

static void run_attention_one(const Work *w, real *y, const real *x, size_t rows)
{
    run_attention(w, y, x, rows, false);
}

/* All queries in one span, as an image encoder's. */
static void run_attention_together(const Work *w, real *y, const real *x, size_t rows)
{
    AttentionShape shape = {&(Span){0, rows, 0, 0, 0, 37}, 1, HEADS, COLS, rows, 0.2, false, false};
    fast->attention(y, NULL, x, w->bias, w->gamma, &shape);
}

static void attentions(void)
{
    Work w = {.in = COLS, .out = COLS, .run = run_attention_step, .bias = draw(37 * COLS), .gamma = draw(37 * COLS)};
    check_rows("attention, a step", &w);
    w.run = run_attention_one;
    check_rows("attention, one query", &w);
    w.run = run_attention_together;
    check_rows("attention, one span", &w);
    buffers_release();
    attention_in_pieces();
}

/* ---- the rest ---- */

static void run_layernorm(const Work *w, real *y, const real *x, size_t rows)
{
    real mean[ROWS], rstd[ROWS];
    fast->layernorm(y, mean, rstd, x, w->gamma, w->bias, 1e-5, rows, w->in);
}

static void run_rmsnorm(const Work *w, real *y, const real *x, size_t rows)
{
    real rstd[ROWS];
    fast->rmsnorm(y, rstd, x, w->gamma, 1e-5, rows, w->in);
}

static void run_gelu(const Work *w, real *y, const real *x, size_t rows)
{
    fast->gelu(y, x, rows * w->in);
}

static void run_quick_gelu(const Work *w, real *y, const real *x, size_t rows)
{
    fast->quick_gelu(y, x, rows * w->in);
}

static void run_gelu_tanh(const Work *w, real *y, const real *x, size_t rows)
{
    fast->gelu_tanh(y, x, rows * w->in);
}

static void run_normalise(const Work *w, real *y, const real *x, size_t rows)
{
    real norm[ROWS];
    fast->normalise(y, norm, x, rows, w->in);
}

static void run_token_logp(const Work *w, real *y, const real *x, size_t rows)
{
    static const int32_t targets[ROWS] = {0};
    real lse[ROWS];
    fast->token_logp(y, lse, NULL, x, targets, rows, w->in);
}

static void others(void)
{
    enum { COLUMNS = 213 };
    Work w = {.in = COLUMNS, .out = COLUMNS, .run = run_layernorm, .bias = draw(COLUMNS), .gamma = draw(COLUMNS)};
    check_rows("layernorm", &w);
    w.run = run_rmsnorm;
    check_rows("rmsnorm", &w);
    w.run = run_gelu;
    check_rows("gelu", &w);
    w.run = run_quick_gelu;
    check_rows("quick_gelu", &w);
    w.run = run_gelu_tanh;
    check_rows("gelu_tanh", &w);
    w.run = run_normalise;
    check_rows("normalise", &w);
    w.run = run_token_logp;
    w.out = 1;
    check_rows("token_logp", &w);
    buffers_release();
}

/* CUDA's tables promise less, and have their test in test_kernels_products.c. */
#define CPU_TEST(NAME)                                  \
    static void test_##NAME(void **state)               \
    {                                                   \
        (void)state;                                    \
        const Kernels *tables[MAX_TABLES];              \
        size_t n = kernels_cpu_all(tables, MAX_TABLES); \
        for (size_t i = 0; i < n; i++)                  \
            on_table(tables[i], NAME);                  \
    }

CPU_TEST(products)
CPU_TEST(attentions)
CPU_TEST(others)

static int run_all(int threads)
{
    pool_init(threads);
    threads_here = threads;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_attentions),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    digests = mmap(NULL, MAX_DIGESTS * sizeof *digests, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (digests == MAP_FAILED)
        return 1;
    return run_with_threads(__FILE__, run_all);
}
