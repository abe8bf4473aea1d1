/*
 * Products in plain C: those of layers by our own loops, since a row's sums must run in an order that does not depend on how many
 * rows there are, which OpenBLAS does not promise; gradients by OpenBLAS. 16-bit weights are expanded to `real` a chunk at a
 * time. Nothing here is tuned for one processor; the other tables are.
 */
#include "tensor/cpu/plain/plain.h"

#include <string.h>

#include "base/pool.h"
#include "tensor/cpu/blas.h"
#include "tensor/cpu/scratch.h"

enum {
    PART_COLUMNS = 32,      /* of y in one part: as many rows of weights are expanded at once */
    CHUNK_VALUES = 2 << 20, /* of weights expanded at once for gradients */
};

typedef struct Product {
    real *y;       /* y, or dx, or dw */
    const real *x; /* x, or dy */
    DType type;
    const void *w; /* weights; x for dw */
    const real *bias;
    bool add;
    bool round; /* COMPUTE_BF16: weights in 16 bits are used as bf16 */
    size_t m, n, k;
    size_t size; /* of a part, in rows or columns */
} Product;

enum { ROUND_RUN = 256 };

/* An ElementRun: y[i] = the bf16 nearest to x[i]; y may be x. */
static void round_run(real *y, const real *x, const real *b, double c, size_t n)
{
    (void)b, (void)c;
    uint16_t narrow[ROUND_RUN];
    for (size_t i = 0; i < n; i += ROUND_RUN) {
        size_t count = size_min(ROUND_RUN, n - i);
        dtype_convert(DTYPE_BF16, narrow, DTYPE_REAL, x + i, count);
        dtype_convert(DTYPE_REAL, y + i, DTYPE_BF16, narrow, count);
    }
}

/* count weights from index `first` on as `real`s into dst. */
static void expand(real *dst, const Product *p, size_t first, size_t count)
{
    dtype_convert(DTYPE_REAL, dst, p->type, (const char *)p->w + first * dtype_size(p->type), count);
    if (p->round && p->type == DTYPE_F16)
        round_run(dst, dst, NULL, 0, count);
}

/* Rows n0.. (count of them) of the weights as `real`s: where they lie, or expanded into scratch. */
static const real *weight_rows(const Product *p, size_t n0, size_t count)
{
    if (p->type == DTYPE_REAL)
        return (const real *)p->w + n0 * p->k;
    real *w = scratch(SCRATCH_OWN, count * p->k * sizeof(real));
    expand(w, p, n0 * p->k, count * p->k);
    return w;
}

/* y[:, n0 .. n0+count-1] made ready to be added to: bias, or zero, or what it held. */
static void prepare_columns(const Product *p, size_t n0, size_t count)
{
    for (size_t i = 0; i < p->m; i++) {
        real *y = p->y + i * p->n + n0;
        if (!p->add)
            memset(y, 0, count * sizeof *y);
        if (p->bias)
            for (size_t j = 0; j < count; j++)
                y[j] += p->bias[n0 + j];
    }
}

/* Lanes of one register of the least x86-64 processor. */
typedef real Lanes __attribute__((vector_size(16)));
enum { LANES = sizeof(Lanes) / sizeof(real), TILE_ROWS = 2, TILE_COLUMNS = 4 };

static inline Lanes load(const real *x)
{
    Lanes v;
    memcpy(&v, x, sizeof v);
    return v;
}

/* A corner of y, and the rows of x and w whose dot products are added there. */
typedef struct Tile {
    real *y;
    const real *x, *w;
    size_t ldy, ldx, ldw, k;
} Tile;

/* Each sum in the same order whatever `rows` and `columns` are, which are constants where they are the most. */
static inline void tile(const Tile *t, size_t rows, size_t columns)
{
    Lanes sums[TILE_ROWS][TILE_COLUMNS] = {0};
    size_t at = 0;
    for (; at + LANES <= t->k; at += LANES)
        for (size_t i = 0; i < rows; i++)
            for (size_t j = 0; j < columns; j++)
                sums[i][j] += load(t->x + i * t->ldx + at) * load(t->w + j * t->ldw + at);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++) {
            real sum = 0;
            for (size_t lane = 0; lane < LANES; lane++)
                sum += sums[i][j][lane];
            for (size_t rest = at; rest < t->k; rest++)
                sum += t->x[i * t->ldx + rest] * t->w[j * t->ldw + rest];
            t->y[i * t->ldy + j] += sum;
        }
}

void plain_dots(real *y, size_t ldy, const real *x, size_t ldx, const real *w, size_t ldw, size_t m, size_t n, size_t k)
{
    for (size_t i = 0; i < m; i += TILE_ROWS)
        for (size_t j = 0; j < n; j += TILE_COLUMNS) {
            Tile t = {y + i * ldy + j, x + i * ldx, w + j * ldw, ldy, ldx, ldw, k};
            size_t rows = size_min(TILE_ROWS, m - i), columns = size_min(TILE_COLUMNS, n - j);
            if (rows == TILE_ROWS && columns == TILE_COLUMNS)
                tile(&t, TILE_ROWS, TILE_COLUMNS);
            else
                tile(&t, rows, columns);
        }
}

/* All rows, some columns of y. */
static void columns_part(void *context, size_t part)
{
    const Product *p = context;
    size_t n0 = part * PART_COLUMNS, count = size_min(PART_COLUMNS, p->n - n0);
    const real *w = weight_rows(p, n0, count);
    prepare_columns(p, n0, count);
    plain_dots(p->y + n0, p->n, p->x, p->k, w, p->k, p->m, count, p->k);
}

static size_t parts_of(size_t n, size_t size)
{
    return (n + size - 1) / size;
}

static void product_run(Product *p)
{
    if (p->m > 0)
        pool_run(columns_part, p, parts_of(p->n, PART_COLUMNS));
}

/* x with every value rounded to bf16, in scratch of the calling thread. */
static const real *rounded(const real *x, size_t n)
{
    real *copy = scratch(SCRATCH_INPUT, n * sizeof *copy);
    elements_run(round_run, copy, x, NULL, 0, n);
    return copy;
}

static bool narrow(DType type)
{
    return dtype_size(type) == 2;
}

static void matmul(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n, size_t k)
{
    product_run(&(Product){.y = y, .x = x, .type = type, .w = w, .bias = bias, .add = add, .m = m, .n = n, .k = k});
}

static void matmul_bf16(real *y, const real *x, DType type, const void *w, const real *bias, bool add, size_t m, size_t n,
                        size_t k)
{
    bool round = narrow(type);
    product_run(&(Product){y, round ? rounded(x, m * k) : x, type, w, bias, add, round, m, n, k, 0});
}

/* Rows n0.. of the weights, columns k0.. only: where they lie, or expanded. *ldw: values between rows. */
static const real *weight_block(const Product *p, size_t n0, size_t rows, size_t k0, size_t columns, size_t *ldw)
{
    if (p->type == DTYPE_REAL) {
        *ldw = p->k;
        return (const real *)p->w + n0 * p->k + k0;
    }
    *ldw = columns;
    real *w = scratch(SCRATCH_OWN, rows * columns * sizeof *w);
    for (size_t j = 0; j < rows; j++)
        expand(w + j * columns, p, (n0 + j) * p->k + k0, columns);
    return w;
}

/* Columns k0.. of dx += dy w, a chunk of w's rows after the other. */
static void dx_part(void *context, size_t part)
{
    const Product *p = context;
    size_t k0 = part * p->size, columns = size_min(p->size, p->k - k0);
    size_t chunk = p->type == DTYPE_REAL ? p->n : size_min(p->n, CHUNK_VALUES / columns + 16);
    for (size_t n0 = 0; n0 < p->n; n0 += chunk) {
        size_t rows = size_min(chunk, p->n - n0), ldw;
        const real *w = weight_block(p, n0, rows, k0, columns, &ldw);
        blas_gemm(false, false, p->m, columns, rows, 1, p->x + n0, p->n, w, ldw, 1, p->y + k0, p->k);
    }
}

/* Rows m0.. of dx += dy w. */
static void dx_rows_part(void *context, size_t part)
{
    const Product *p = context;
    size_t m0 = part * p->size, rows = size_min(p->size, p->m - m0);
    blas_gemm(false, false, rows, p->k, p->n, 1, p->x + m0 * p->n, p->n, p->w, p->k, 1, p->y + m0 * p->k, p->k);
}

static void dx_run(Product *p)
{
    if (p->m == 0 || p->n == 0 || p->k == 0)
        return;
    bool by_rows = p->type == DTYPE_REAL && p->m > p->k;
    size_t side = by_rows ? p->m : p->k;
    p->size = part_size(side, 16, side);
    pool_run(by_rows ? dx_rows_part : dx_part, p, parts_of(side, p->size));
}

static void matmul_dx(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    dx_run(&(Product){.y = dx, .x = dy, .type = type, .w = w, .m = m, .n = n, .k = k});
}

static void matmul_dx_bf16(real *dx, const real *dy, DType type, const void *w, size_t m, size_t n, size_t k)
{
    bool round = narrow(type);
    dx_run(
        &(Product){.y = dx, .x = round ? rounded(dy, m * n) : dy, .type = type, .w = w, .round = round, .m = m, .n = n, .k = k});
}

/* Rows n0.. of dw += dy^T x; here p->x is dy and p->w is x. */
static void dw_part(void *context, size_t part)
{
    const Product *p = context;
    size_t n0 = part * p->size, rows = size_min(p->size, p->n - n0);
    blas_gemm(true, false, rows, p->k, p->m, 1, p->x + n0, p->n, p->w, p->k, 1, p->y + n0 * p->k, p->k);
}

/* Columns k0.. of dw += dy^T x. */
static void dw_columns_part(void *context, size_t part)
{
    const Product *p = context;
    size_t k0 = part * p->size, columns = size_min(p->size, p->k - k0);
    blas_gemm(true, false, p->n, columns, p->m, 1, p->x, p->n, (const real *)p->w + k0, p->k, 1, p->y + k0, p->k);
}

static void matmul_dw(real *dw, const real *dy, const real *x, size_t m, size_t n, size_t k)
{
    if (m == 0 || n == 0 || k == 0)
        return;
    size_t side = n > k ? n : k;
    Product p = {.y = dw, .x = dy, .w = x, .m = m, .n = n, .k = k, .size = part_size(side, 16, side)};
    pool_run(n > k ? dw_part : dw_columns_part, &p, parts_of(side, p.size));
}

enum { SUM_COLUMNS = 64 };

static void column_sums_part(void *context, size_t part)
{
    const Product *p = context;
    size_t n0 = part * SUM_COLUMNS, count = size_min(SUM_COLUMNS, p->n - n0);
    double sums[SUM_COLUMNS] = {0};
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < count; j++)
            sums[j] += (double)p->x[i * p->n + n0 + j];
    for (size_t j = 0; j < count; j++)
        p->y[n0 + j] += (real)sums[j];
}

static void column_sums(real *db, const real *dy, size_t m, size_t n)
{
    Product p = {.y = db, .x = dy, .m = m, .n = n};
    pool_run(column_sums_part, &p, parts_of(n, SUM_COLUMNS));
}

void plain_matmul_fill(Kernels *k, Compute compute)
{
    k->matmul = k->matmul_step = compute == COMPUTE_BF16 ? matmul_bf16 : matmul;
    k->matmul_dx = compute == COMPUTE_BF16 ? matmul_dx_bf16 : matmul_dx;
    k->matmul_dw = matmul_dw;
    k->column_sums = column_sums;
}
