/* Equation 5; see phi.h. The n x n cosines exist a block of rows at a time. */
#include "stage/phi.h"

#include <math.h>
#include <stdlib.h>

enum { BLOCK = 128 };

/* Sums of exponentials along both axes, and the diagonal. */
typedef struct Sums {
    double *row, *column, *own;
} Sums;

static void add_block(Sums *s, const real *cosines, size_t first, size_t rows, size_t n)
{
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < n; j++) {
            double e = exp((double)cosines[i * n + j]);
            s->row[first + i] += e;
            s->column[j] += e;
            if (j == first + i)
                s->own[j] = e;
        }
}

static void standardise(double *x, size_t n)
{
    double mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++)
        mean += x[i] / (double)n;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - mean) * (x[i] - mean);
    double std = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    for (size_t i = 0; i < n; i++)
        x[i] = std > 0 ? (x[i] - mean) / std : 0;
}

void phi_compute(double *phi, const Kernels *kernels, const real *images, const real *texts, size_t n, size_t cols)
{
    Sums s = {xcalloc(n, sizeof(double)), xcalloc(n, sizeof(double)), xcalloc(n, sizeof(double))};
    real *x = kernels->memory_new(BLOCK * cols * sizeof *x), *y = kernels->memory_new(BLOCK * n * sizeof *y);
    real *w = kernels->memory_new(n * cols * sizeof *w), *cosines = xmalloc(BLOCK * n * sizeof *cosines);
    kernels->upload(w, texts, n * cols * sizeof *w);
    for (size_t first = 0; first < n; first += BLOCK) {
        size_t rows = n - first < BLOCK ? n - first : BLOCK;
        kernels->upload(x, images + first * cols, rows * cols * sizeof *x);
        kernels->matmul(y, x, DTYPE_REAL, w, NULL, false, rows, n, cols);
        kernels->download(cosines, y, rows * n * sizeof *y);
        add_block(&s, cosines, first, rows, n);
    }
    for (size_t i = 0; i < n; i++)
        phi[i] = s.own[i] / s.row[i] * (s.own[i] / s.column[i]);
    standardise(phi, n);
    kernels->memory_free(x);
    kernels->memory_free(y);
    kernels->memory_free(w);
    free(cosines);
    free(s.row);
    free(s.column);
    free(s.own);
}
