/* Every slot but the products of every table that this machine can run, against the plain one. */
#include "tables.h"

/* Rows. */

static void check_norms(size_t rows, size_t cols)
{
    real *x = draw(rows * cols), *gamma = draw(cols), *beta = draw(cols), *dy = draw(rows * cols);
    real *y[2], *mean[2], *rstd[2], *dx[2], *dgamma[2], *dbeta[2];
    const Kernels *tables[] = {plain, fast};
    for (int i = 0; i < 2; i++) {
        y[i] = buffer(rows * cols);
        mean[i] = buffer(rows);
        rstd[i] = buffer(rows);
        dx[i] = i ? twin(x, rows * cols) : twin(x, rows * cols);
        dgamma[i] = twin(gamma, cols);
        dbeta[i] = twin(beta, cols);
        tables[i]->layernorm(y[i], mean[i], rstd[i], x, gamma, beta, 1e-5, rows, cols);
        tables[i]->layernorm_backward(dx[i], dgamma[i], dbeta[i], dy, x, mean[0], rstd[0], gamma, rows, cols);
    }
    what = "layernorm";
    check(y[1], y[0], rows * cols, tolerance);
    check(mean[1], mean[0], rows, tolerance);
    check(rstd[1], rstd[0], rows, tolerance);
    what = "layernorm_backward";
    check(dx[1], dx[0], rows * cols, tolerance);
    check(dgamma[1], dgamma[0], cols, tolerance);
    check(dbeta[1], dbeta[0], cols, tolerance);
    what = "rmsnorm";
    for (int i = 0; i < 2; i++) {
        tables[i]->rmsnorm(y[i], rstd[i], x, gamma, 1e-5, rows, cols);
        tables[i]->rmsnorm_backward(dx[i], dgamma[i], dy, x, rstd[0], gamma, rows, cols);
    }
    check(y[1], y[0], rows * cols, tolerance);
    check(rstd[1], rstd[0], rows, tolerance);
    check(dx[1], dx[0], rows * cols, tolerance);
    check(dgamma[1], dgamma[0], cols, tolerance);
    fast->rmsnorm_backward(NULL, NULL, dy, x, rstd[0], gamma, rows, cols);
    fast->layernorm_backward(NULL, NULL, NULL, dy, x, mean[0], rstd[0], gamma, rows, cols);
    what = "normalise";
    for (int i = 0; i < 2; i++) {
        tables[i]->normalise(y[i], mean[i], x, rows, cols);
        tables[i]->normalise_backward(dx[i], dy, y[0], mean[0], rows, cols);
    }
    check(y[1], y[0], rows * cols, tolerance);
    check(dx[1], dx[0], rows * cols, tolerance);
    buffers_release();
}

static void norms(void)
{
    static const size_t shapes[][2] = {{1, 1}, {1, 7}, {3, 33}, {5, 64}, {2, 1408}, {257, 13}, {70, 100}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_norms(shapes[i][0], shapes[i][1]);
}

static void rows_moved(void)
{
    enum { COLS = 37, N = 6 };
    static const int32_t ids[N] = {4, 0, 4, 2, 1, 4};
    static const RowRef refs[N] = {{1, 2}, {0, 0}, {1, 2}, {2, 1}, {0, 3}, {0, 3}};
    static const size_t to[N] = {7, 0, 3, 2, 9, 4}, first[3] = {0, 4, 2}, count[3] = {3, 1, 5};
    real *a = draw(8 * COLS), *b = draw(8 * COLS), *c = draw(8 * COLS), *dy = draw(N * COLS);
    const real *sources[] = {a, b, c};
    real *out[2], *grad[2][3], *cache[2];
    const Kernels *tables[] = {plain, fast};
    for (int i = 0; i < 2; i++) {
        out[i] = buffer(4 * N * COLS + 3 * COLS);
        grad[i][0] = twin(a, 8 * COLS);
        grad[i][1] = twin(b, 8 * COLS);
        grad[i][2] = NULL;
        cache[i] = twin(a, 8 * COLS);
        real *more = buffer(10 * COLS);
        for (size_t d = 0; d < 4; d++) {
            void *table = weights_of(dtypes[d], c, 8 * COLS);
            tables[i]->embed(out[i] + d * N * COLS, dtypes[d], table, ids, N, COLS);
            free(table);
        }
        tables[i]->mean_rows(out[i] + 4 * N * COLS, a, first, count, 3, COLS);
        tables[i]->mean_rows_backward(cache[i], dy, first, count, 3, COLS);
        tables[i]->embed_backward(cache[i], dy, ids, N, COLS);
        tables[i]->gather_backward(grad[i], dy, refs, N, COLS);
        tables[i]->scatter(more, dy, to, N, COLS);
        tables[i]->gather(more + 5 * COLS, sources, refs, 2, COLS);
        grad[i][2] = more;
    }
    what = "embed, gather, scatter, mean_rows";
    check(out[1], out[0], 4 * N * COLS + 3 * COLS, tolerance);
    check(cache[1], cache[0], 8 * COLS, tolerance);
    for (int i = 0; i < 3; i++)
        check(grad[1][i], grad[0][i], (i == 2 ? 10 : 8) * COLS, tolerance);
    buffers_release();
}

/* As many values as several threads share. */
static void many_rows_moved(void)
{
    enum { COLS = 613, N = 97, FROM = 50 };
    static int32_t ids[N];
    static RowRef refs[N];
    static size_t to[N];
    real *a = draw(FROM * COLS), *b = draw(FROM * COLS), *embedded = buffer(N * COLS), *gathered = buffer(N * COLS),
         *scattered = buffer(N * COLS);
    for (size_t i = 0; i < N; i++) {
        ids[i] = (int32_t)(i * 7 % FROM);
        refs[i] = (RowRef){i % 2, (uint32_t)(i * 11 % FROM)};
        to[i] = i * 5 % N;
    }
    fast->embed(embedded, DTYPE_REAL, a, ids, N, COLS);
    fast->gather(gathered, (const real *const[]){a, b}, refs, N, COLS);
    fast->scatter(scattered, gathered, to, N, COLS);
    for (size_t i = 0; i < N; i++) {
        const real *from = (refs[i].source ? b : a) + refs[i].row * COLS;
        assert_memory_equal(embedded + i * COLS, a + (size_t)ids[i] * COLS, COLS * sizeof *a);
        assert_memory_equal(gathered + i * COLS, from, COLS * sizeof *a);
        assert_memory_equal(scattered + to[i] * COLS, from, COLS * sizeof *a);
    }
    buffers_release();
}

/* Elementwise. */

/* Numbers over the whole range where the functions bend, and the special ones. */
static real *awkward(size_t n)
{
    static const real special[] = {0, (real)-0.0, INFINITY, -INFINITY, NAN, 100, -100, (real)1e-30, (real)-1e30, 13, -13};
    real *x = draw(n);
    for (size_t i = 0; i < n; i++)
        x[i] *= 4;
    for (size_t i = 0; i < sizeof special / sizeof *special && 3 * i < n; i++)
        x[3 * i] = special[i];
    return x;
}

static void check_elements(size_t n)
{
    real *x = awkward(n), *b = draw(n), *y[2], *dx[2];
    const Kernels *tables[] = {plain, fast};
#define BOTH(NAME, MOST, CALL)        \
    what = NAME;                      \
    for (int i = 0; i < 2; i++) {     \
        const Kernels *k = tables[i]; \
        y[i] = twin(b, n);            \
        dx[i] = twin(b, n);           \
        CALL;                         \
    }                                 \
    check(y[1], y[0], n, MOST);       \
    check(dx[1], dx[0], n, MOST)
    BOTH("gelu", tolerance_functions, k->gelu(y[i], x, n));
    BOTH("gelu_backward", tolerance_functions, k->gelu_backward(dx[i], b, x, n));
    BOTH("swiglu", tolerance_functions, k->swiglu(y[i], x, b, n));
    BOTH("swiglu in place", tolerance_functions, k->swiglu(y[i], y[i], x, n));
    BOTH("swiglu_backward", tolerance_functions, k->swiglu_backward(dx[i], y[i], b, x, b, n));
    BOTH("swiglu_backward of one", tolerance_functions, k->swiglu_backward(dx[i], NULL, b, x, b, n));
    BOTH("quick_gelu", tolerance_functions, k->quick_gelu(y[i], x, n));
    BOTH("quick_gelu_backward", tolerance_functions, k->quick_gelu_backward(dx[i], b, x, n));
    BOTH("gelu_tanh", tolerance_functions, k->gelu_tanh(y[i], x, n));
    BOTH("gelu_tanh_backward", tolerance_functions, k->gelu_tanh_backward(dx[i], b, x, n));
    BOTH("relu", 0, k->relu(y[i], x, n));
    BOTH("relu_backward", 0, k->relu_backward(dx[i], x, n));
    BOTH("add", 0, k->add(y[i], x, b, n));
    BOTH("add in place", 0, k->add(y[i], y[i], x, n));
    BOTH("axpy", tolerance, k->axpy(y[i], 0.3, x, n));
    BOTH("clamp", 0, (memcpy(y[i], x, n * sizeof *x), k->clamp(y[i], 1.5, n)));
    BOTH("scale", tolerance, k->scale(y[i], -2.5, n));
    BOTH("sum_squares", tolerance, y[i][0] = (real)k->sum_squares(b, n));
    AdamStep step = {.learning_rate = 1e-2, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = 0.1, .step = 3};
    real *m[2] = {twin(b, n), twin(b, n)}, *v[2] = {buffer(n), buffer(n)}, *grad = draw(n);
    BOTH("adam", tolerance, k->adam(y[i], grad, m[i], v[i], &step, n));
    check(m[1], m[0], n, tolerance);
    check(v[1], v[0], n, tolerance);
    buffers_release();
}

static void check_rotate(size_t rows, size_t heads, size_t dim)
{
    const size_t n = rows * heads * dim;
    real *x = draw(n), *angles = draw(rows * dim), *turned = twin(x, n), *expected = twin(x, n);
    what = "rotate";
    plain->rotate(expected, angles, false, rows, heads, dim);
    fast->rotate(turned, angles, false, rows, heads, dim);
    check(turned, expected, n, tolerance);
    plain->rotate(expected, angles, true, rows, heads, dim);
    fast->rotate(turned, angles, true, rows, heads, dim);
    check(turned, expected, n, tolerance);
    buffers_release();
}

static void rotations(void)
{
    static const size_t shapes[][3] = {{1, 1, 2}, {3, 2, 10}, {5, 3, 64}, {70, 9, 34}, {300, 4, 128}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_rotate(shapes[i][0], shapes[i][1], shapes[i][2]);
}

static void elements(void)
{
    static const size_t sizes[] = {1, 3, 8, 15, 16, 17, 100, 16384, 40001};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        check_elements(sizes[i]);
}

static void check_logits(size_t rows, size_t cols)
{
    what = "token_logp";
    real *logits = draw(rows * cols), *dlogp = draw(rows), *logp[2], *lse[2], *entropy[2], *d[2];
    const Kernels *tables[] = {plain, fast};
    int32_t *targets = malloc(rows * sizeof *targets);
    for (size_t i = 0; i < rows; i++)
        targets[i] = (int32_t)((i * 7 + cols - 1) % cols);
    if (cols > 3)
        logits[cols - 2] = -INFINITY; /* a forbidden token */
    for (size_t i = 0; i < rows * cols; i++)
        logits[i] *= 5;
    for (int i = 0; i < 2; i++) {
        logp[i] = buffer(rows);
        lse[i] = buffer(rows);
        entropy[i] = buffer(rows);
        d[i] = twin(logits, rows * cols);
        tables[i]->token_logp(logp[i], lse[i], entropy[i], logits, targets, rows, cols);
        tables[i]->token_logp_backward(d[i], dlogp, d[i], lse[0], targets, rows, cols);
    }
    check(logp[1], logp[0], rows, tolerance_functions);
    check(lse[1], lse[0], rows, tolerance_functions);
    check(entropy[1], entropy[0], rows, tolerance_functions);
    check(d[1], d[0], rows * cols, tolerance_functions);
    what = "entropy_backward";
    for (int i = 0; i < 2; i++) {
        d[i] = twin(logits, rows * cols);
        tables[i]->entropy_backward(d[i], dlogp, entropy[0], d[i], lse[0], rows, cols);
    }
    check(d[1], d[0], rows * cols, tolerance_functions);
    fast->token_logp(logp[1], lse[1], NULL, logits, targets, rows, cols);
    check(logp[1], logp[0], rows, tolerance_functions);
    free(targets);
    buffers_release();
}

static void logits(void)
{
    static const size_t shapes[][2] = {{1, 1}, {1, 5}, {3, 33}, {7, 1000}, {65, 17}, {2, 50273}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
        check_logits(shapes[i][0], shapes[i][1]);
}

/* The k largest of every row by counting, for each value, how many come before it; NaN is nowhere, left over places are empty. */
static void top_k_by_rank(real *values, int32_t *ids, const real *x, size_t cols, size_t k)
{
    for (size_t i = 0; i < k; i++) {
        values[i] = -INFINITY;
        ids[i] = 0;
    }
    for (size_t j = 0; j < cols; j++) {
        size_t rank = 0;
        for (size_t i = 0; i < cols; i++)
            rank += x[i] > x[j] || (x[i] == x[j] && i < j);
        if (!isnan(x[j]) && rank < k) {
            values[rank] = x[j];
            ids[rank] = (int32_t)j;
        }
    }
}

/* Also against plain, and each row alone. */
static void check_top_k(const real *logits, size_t rows, size_t cols, size_t k)
{
    what = "top_k";
    real *values = buffer(rows * k), *expected = buffer(k), *alone = buffer(k), *lse = buffer(rows), *plain_lse = buffer(rows);
    int32_t *ids = malloc(3 * rows * k * sizeof *ids), *expected_ids = ids + rows * k, *alone_ids = ids + 2 * rows * k;
    double *sums = malloc((2 * rows + 1) * sizeof *sums);
    fast->top_k(values, ids, sums, logits, rows, cols, k);
    for (size_t i = 0; i < rows; i++) {
        const real *x = logits + i * cols;
        if (cols <= 2000)
            top_k_by_rank(expected, expected_ids, x, cols, k);
        else
            plain->top_k(expected, expected_ids, sums + 2 * rows, x, 1, cols, k);
        fast->top_k(alone, alone_ids, sums + rows + i, x, 1, cols, k);
        for (size_t j = 0; j < k; j++) {
            if (values[i * k + j] != expected[j] || ids[i * k + j] != expected_ids[j])
                fail_msg("%s (%s), %zu of %zu: place %zu of row %zu has %g of token %d, expected %g of %d", what, fast->name, k,
                         cols, j, i, (double)values[i * k + j], ids[i * k + j], (double)expected[j], expected_ids[j]);
            if (alone[j] != expected[j] || alone_ids[j] != expected_ids[j])
                fail_msg("%s (%s): place %zu of row %zu differs when alone", what, fast->name, j, i);
        }
        if (memcmp(&sums[i], &sums[rows + i], sizeof *sums) != 0 && !isnan(sums[i]))
            fail_msg("%s (%s): the sum of row %zu differs when alone", what, fast->name, i);
        lse[i] = (real)sums[i];
    }
    plain->top_k(values, ids, sums, logits, rows, cols, k);
    for (size_t i = 0; i < rows; i++)
        plain_lse[i] = (real)sums[i];
    check(lse, plain_lse, rows, tolerance_functions);
    free(ids);
    free(sums);
    buffers_release();
}

/* Rows of drawn numbers; of few different ones, so that there are ties; with forbidden tokens; and with NaN. */
static void top_k(void)
{
    static const size_t columns[] = {1, 5, 33, 1000, 1999, 8193, 50273}, most[] = {1, 2, 7, 64, 129};
    enum { ROWS = 5 };
    for (size_t c = 0; c < sizeof columns / sizeof *columns; c++)
        for (size_t i = 0; i <= sizeof most / sizeof *most; i++) {
            size_t cols = columns[c], k = i < sizeof most / sizeof *most ? most[i] : cols;
            if (k > 2000)
                continue;
            real *x = draw(ROWS * cols);
            for (size_t j = 0; j < cols; j++) {
                x[cols + j] = round(x[cols + j]);
                x[2 * cols + j] = j % 3 == 1 ? -INFINITY : x[2 * cols + j] * 20;
                x[3 * cols + j] = j % 3 ? x[3 * cols + j] : NAN;
                x[4 * cols + j] = j + 1 < cols ? -INFINITY : 1; /* all but the last are forbidden */
            }
            check_top_k(x, ROWS, cols, k);
        }
}

/* y += alpha x by rows, against axpy row by row. */
static void rows_added(void)
{
    static const size_t shapes[][2] = {{1, 1}, {3, 33}, {65, 17}, {7, 2560}, {300, 100}};
    for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++) {
        size_t rows = shapes[s][0], cols = shapes[s][1];
        what = "axpy_rows";
        real *x = draw(rows * cols), *alpha = draw(rows), *y = draw(rows * cols), *expected = twin(y, rows * cols);
        fast->axpy_rows(y, alpha, x, rows, cols);
        for (size_t i = 0; i < rows; i++)
            plain->axpy(expected + i * cols, (double)alpha[i], x + i * cols, cols);
        check(y, expected, rows * cols, tolerance);
        buffers_release();
    }
}

/* Attention. */

static void check_attention(size_t q_rows, size_t k_rows, size_t heads, size_t d, bool causal, const Span *spans, size_t n_spans)
{
    size_t cols = heads * d, nq = q_rows * cols, nk = k_rows * cols;
    AttentionShape shape = {spans, n_spans, heads, cols, q_rows, 1 / sqrt((double)d), causal, false}, step = shape;
    step.step = true;
    real *q = draw(nq), *k = draw(nk), *v = draw(nk), *dout = draw(nq);
    real *out[2], *stats[2], *dq[2], *dk[2], *dv[2];
    const Kernels *tables[] = {plain, fast};
    for (int i = 0; i < 2; i++) {
        out[i] = draw(nq); /* overwritten, rows in no span by zeros */
        stats[i] = buffer(q_rows * heads * 2);
        dq[i] = twin(q, nq);
        dk[i] = twin(k, nk);
        dv[i] = twin(v, nk);
        tables[i]->attention(out[i], stats[i], q, k, v, &shape);
        tables[i]->attention_backward(dq[i], dk[i], dv[i], dout, out[i], stats[i], q, k, v, &shape);
    }
    what = "attention";
    check(out[1], out[0], nq, tolerance_functions);
    what = "attention_backward";
    check(dq[1], dq[0], nq, tolerance_functions);
    check(dk[1], dk[0], nk, tolerance_functions);
    check(dv[1], dv[0], nk, tolerance_functions);
    what = "attention without statistics";
    real *bare = draw(nq);
    fast->attention(bare, NULL, q, k, v, &shape);
    for (size_t i = 0; i < nq; i++)
        if (!same(bare[i], out[1][i]))
            fail_msg("%s (%s): value %zu differs", what, fast->name, i);
    what = "attention, as a step";
    fast->attention(bare, NULL, q, k, v, &step);
    check(bare, out[0], nq, tolerance_functions);
    what = "attention, a gradient of keys only";
    real *only = twin(k, nk);
    fast->attention_backward(NULL, only, NULL, dout, out[1], stats[1], q, k, v, &shape);
    check(only, dk[0], nk, tolerance_functions);
    buffers_release();
}

#define SPANS(...) (const Span[]){__VA_ARGS__}, sizeof((const Span[]){__VA_ARGS__}) / sizeof(Span)

static void attentions(void)
{
    static const size_t dims[] = {1, 5, 16, 64, 80, 88};
    for (size_t i = 0; i < sizeof dims / sizeof *dims; i++)
        for (int causal = 0; causal < 2; causal++) {
            size_t d = dims[i];
            check_attention(1, 1, 1, d, causal, SPANS({0, 1, 0, 0, 0, 1}));
            check_attention(3, 40, 2, d, causal, SPANS({0, 1, 0, 0, 0, 17}, {2, 1, 0, 5, 20, 20})); /* decoding */
            check_attention(17, 17, 3, d, causal, SPANS({0, 6, 0, 0, 0, 6}, {6, 10, 0, 0, 6, 10}));
            check_attention(20, 30, 2, d, causal, SPANS({0, 9, 0, 7, 10, 9}, {9, 11, 0, 7, 19, 11}));
            check_attention(8, 9, 2, d, causal, SPANS({0, 4, 0, 0, 0, 9}, {4, 4, 0, 0, 2, 5}));
            check_attention(4, 2, 1, d, causal, SPANS({0, 4, 0, 0, 0, 2}));
            check_attention(130, 130, 2, d, causal, SPANS({0, 130, 0, 0, 0, 130}));
        }
}

/* A sequence's attention is the same to the last bit whatever else is in the batch. */
static void attention_alone(void)
{
    enum { D = 40, HEADS = 2, COLS = D * HEADS, KEYS = 21 };
    what = "attention, one by one";
    for (size_t nq = 1; nq < 12; nq += 5) {
        Span spans[6];
        for (size_t i = 0; i < 6; i++)
            spans[i] = (Span){i * nq, nq, 0, 4, 4 + i * KEYS, KEYS - i};
        real *q = draw(6 * nq * COLS), *k = draw(140 * COLS), *v = draw(140 * COLS), *all = buffer(6 * nq * COLS);
        AttentionShape shape = {spans, 6, HEADS, COLS, 6 * nq, 0.2, true, nq == 1};
        fast->attention(all, NULL, q, k, v, &shape);
        for (size_t i = 0; i < 6; i++) {
            real *one = buffer(6 * nq * COLS);
            AttentionShape alone = {&spans[i], 1, HEADS, COLS, 6 * nq, 0.2, true, nq == 1};
            fast->attention(one, NULL, q, k, v, &alone);
            for (size_t j = i * nq * COLS; j < (i + 1) * nq * COLS; j++)
                if (!same(one[j], all[j]))
                    fail_msg("%s (%s): span %zu of 6 differs when alone", what, fast->name, i);
        }
        buffers_release();
    }
}

/* Whether the mapping that holds p asks for huge pages (proc(5), smaps: hg among its flags). */
static bool asks_for_huge_pages(const void *p)
{
    FILE *f = fopen("/proc/self/smaps", "r");
    char line[512];
    bool inside = false, asks = false;
    unsigned long begin, end;
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
            inside = begin <= (uintptr_t)p && (uintptr_t)p < end;
        else if (inside && strncmp(line, "VmFlags:", 8) == 0)
            asks = strstr(line, " hg") != NULL;
    if (f)
        fclose(f);
    return asks;
}

/* Small blocks and large ones, which lie on huge pages, hold what they are given. */
static void test_memory(void **state)
{
    (void)state;
    const size_t huge = 2 << 20, sizes[] = {0, 1, 65, 2 * huge - 1, 2 * huge, 2 * huge + 1, 5 * huge + 17};
    unsigned char *blocks[7];
    for (size_t i = 0; i < 7; i++) {
        blocks[i] = plain->memory_new(sizes[i]);
        assert_int_equal((uintptr_t)blocks[i] % 64, 0);
        memset(blocks[i], (int)i + 1, sizes[i]);
    }
    for (size_t i = 0; i < 7; i++) {
        if (sizes[i] > 0)
            assert_true(blocks[i][0] == i + 1 && memcmp(blocks[i], blocks[i] + 1, sizes[i] - 1) == 0);
        plain->zero(blocks[i], sizes[i]);
        assert_true(sizes[i] == 0 || (blocks[i][0] == 0 && blocks[i][sizes[i] - 1] == 0));
    }
    if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0)
        print_message("SKIPPED: huge pages: this system has none\n");
    else
        assert_true(asks_for_huge_pages(blocks[6] + 4 * huge));
    for (size_t i = 0; i < 7; i++)
        plain->memory_free(blocks[i]);
}

TEST(norms)
TEST(rows_moved)
TEST(many_rows_moved)
TEST(elements)
TEST(rotations)
TEST(logits)
TEST(top_k)
TEST(rows_added)
TEST(attentions)
TEST(attention_alone)

static int run_all(int threads)
{
    pool_init(threads);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_norms),           cmocka_unit_test(test_rows_moved), cmocka_unit_test(test_many_rows_moved),
        cmocka_unit_test(test_elements),        cmocka_unit_test(test_rotations),  cmocka_unit_test(test_top_k),
        cmocka_unit_test(test_rows_added),      cmocka_unit_test(test_logits),     cmocka_unit_test(test_attentions),
        cmocka_unit_test(test_attention_alone), cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

int main(void)
{
    return run_with_threads(__FILE__, run_all);
}
