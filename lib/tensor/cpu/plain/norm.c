/* Normalisation by rows in plain C: layer norm, RMS norm and unit length. */
#include "tensor/cpu/plain/plain.h"

#include <math.h>

#include "base/pool.h"

typedef struct NormWork {
    real *y, *mean, *rstd; /* forward; normalise keeps its norm in rstd */
    real *dx, *dgamma, *dbeta;
    const real *dy, *x, *gamma, *beta;
    const real *kept_mean, *kept_rstd;
    double eps;
    size_t rows, cols;
} NormWork;

enum { SUM_COLUMNS = 64 };

static double row_mean(const real *x, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)x[j];
    return sum / (double)n;
}

static double row_variance(const real *x, double mean, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += ((double)x[j] - mean) * ((double)x[j] - mean);
    return sum / (double)n;
}

static void layernorm_row(const void *context, size_t i)
{
    const NormWork *w = context;
    const real *x = w->x + i * w->cols;
    real *y = w->y + i * w->cols;
    double mean = row_mean(x, w->cols);
    w->mean[i] = (real)mean;
    w->rstd[i] = (real)(1 / sqrt(row_variance(x, mean, w->cols) + w->eps));
    for (size_t j = 0; j < w->cols; j++)
        y[j] = (x[j] - w->mean[i]) * w->rstd[i] * w->gamma[j] + w->beta[j];
}

static void layernorm(real *y, real *mean, real *rstd, const real *x, const real *gamma, const real *beta, double eps,
                      size_t rows, size_t cols)
{
    NormWork w = {.y = y, .mean = mean, .rstd = rstd, .x = x, .gamma = gamma, .beta = beta, .eps = eps, .cols = cols};
    rows_run(layernorm_row, &w, rows, cols);
}

/*
 * In the forward pass this was y = xhat * gamma + beta, xhat = (x - mean) * rstd; so with g = dy * gamma
 * dx += rstd * (g - mean(g) - xhat * mean(g * xhat)).
 */
static void layernorm_dx_row(const void *context, size_t i)
{
    const NormWork *w = context;
    const real *x = w->x + i * w->cols, *dy = w->dy + i * w->cols;
    real *dx = w->dx + i * w->cols, mean = w->kept_mean[i], rstd = w->kept_rstd[i];
    double sum = 0, sum_xhat = 0;
    for (size_t j = 0; j < w->cols; j++) {
        double g = (double)dy[j] * (double)w->gamma[j];
        sum += g;
        sum_xhat += g * (double)((x[j] - mean) * rstd);
    }
    real a = (real)(sum / (double)w->cols), b = (real)(sum_xhat / (double)w->cols);
    for (size_t j = 0; j < w->cols; j++)
        dx[j] += rstd * (dy[j] * w->gamma[j] - a - (x[j] - mean) * rstd * b);
}

/* dgamma += sum over rows of dy * xhat, dbeta += sum of dy, for some columns. */
static void layernorm_parameters_part(void *context, size_t part)
{
    const NormWork *w = context;
    size_t j0 = part * SUM_COLUMNS, count = size_min(SUM_COLUMNS, w->cols - j0);
    double gamma[SUM_COLUMNS] = {0}, beta[SUM_COLUMNS] = {0};
    for (size_t i = 0; i < w->rows; i++) {
        const real *x = w->x + i * w->cols + j0, *dy = w->dy + i * w->cols + j0;
        for (size_t j = 0; j < count; j++) {
            gamma[j] += (double)dy[j] * (double)((x[j] - w->kept_mean[i]) * w->kept_rstd[i]);
            beta[j] += (double)dy[j];
        }
    }
    for (size_t j = 0; j < count; j++) {
        if (w->dgamma)
            w->dgamma[j0 + j] += (real)gamma[j];
        if (w->dbeta)
            w->dbeta[j0 + j] += (real)beta[j];
    }
}

static void layernorm_backward(real *dx, real *dgamma, real *dbeta, const real *dy, const real *x, const real *mean,
                               const real *rstd, const real *gamma, size_t rows, size_t cols)
{
    NormWork w = {.dx = dx,
                  .dgamma = dgamma,
                  .dbeta = dbeta,
                  .dy = dy,
                  .x = x,
                  .gamma = gamma,
                  .kept_mean = mean,
                  .kept_rstd = rstd,
                  .rows = rows,
                  .cols = cols};
    if (dx)
        rows_run(layernorm_dx_row, &w, rows, cols);
    if (dgamma || dbeta)
        pool_run(layernorm_parameters_part, &w, (cols + SUM_COLUMNS - 1) / SUM_COLUMNS);
}

static double row_squares(const real *x, size_t n)
{
    double sum = 0;
    for (size_t j = 0; j < n; j++)
        sum += (double)x[j] * (double)x[j];
    return sum;
}

static void rmsnorm_row(const void *context, size_t i)
{
    const NormWork *w = context;
    const real *x = w->x + i * w->cols;
    w->rstd[i] = (real)(1 / sqrt(row_squares(x, w->cols) / (double)w->cols + w->eps));
    for (size_t j = 0; j < w->cols; j++)
        w->y[i * w->cols + j] = x[j] * w->rstd[i] * w->gamma[j];
}

static void rmsnorm(real *y, real *rstd, const real *x, const real *gamma, double eps, size_t rows, size_t cols)
{
    rows_run(rmsnorm_row, &(NormWork){.y = y, .rstd = rstd, .x = x, .gamma = gamma, .eps = eps, .cols = cols}, rows, cols);
}

/* In the forward pass this was y = xhat * gamma, xhat = x * rstd; so with g = dy * gamma dx += rstd (g - xhat mean(g xhat)). */
static void rmsnorm_dx_row(const void *context, size_t i)
{
    const NormWork *w = context;
    const real *x = w->x + i * w->cols, *dy = w->dy + i * w->cols;
    real *dx = w->dx + i * w->cols, rstd = w->kept_rstd[i];
    double sum = 0;
    for (size_t j = 0; j < w->cols; j++)
        sum += (double)dy[j] * (double)w->gamma[j] * (double)(x[j] * rstd);
    real mean = (real)(sum / (double)w->cols);
    for (size_t j = 0; j < w->cols; j++)
        dx[j] += rstd * (dy[j] * w->gamma[j] - x[j] * rstd * mean);
}

/* dgamma += sum over rows of dy * xhat, for some columns. */
static void rmsnorm_gamma_part(void *context, size_t part)
{
    const NormWork *w = context;
    size_t j0 = part * SUM_COLUMNS, count = size_min(SUM_COLUMNS, w->cols - j0);
    double gamma[SUM_COLUMNS] = {0};
    for (size_t i = 0; i < w->rows; i++)
        for (size_t j = 0; j < count; j++)
            gamma[j] += (double)w->dy[i * w->cols + j0 + j] * (double)(w->x[i * w->cols + j0 + j] * w->kept_rstd[i]);
    for (size_t j = 0; j < count; j++)
        w->dgamma[j0 + j] += (real)gamma[j];
}

static void rmsnorm_backward(real *dx, real *dgamma, const real *dy, const real *x, const real *rstd, const real *gamma,
                             size_t rows, size_t cols)
{
    NormWork w = {.dx = dx, .dgamma = dgamma, .dy = dy, .x = x, .gamma = gamma, .kept_rstd = rstd, .rows = rows, .cols = cols};
    if (dx)
        rows_run(rmsnorm_dx_row, &w, rows, cols);
    if (dgamma)
        pool_run(rmsnorm_gamma_part, &w, (cols + SUM_COLUMNS - 1) / SUM_COLUMNS);
}

static void normalise_row(const void *context, size_t i)
{
    const NormWork *w = context;
    const real *x = w->x + i * w->cols;
    w->rstd[i] = (real)sqrt(row_squares(x, w->cols));
    for (size_t j = 0; j < w->cols; j++)
        w->y[i * w->cols + j] = x[j] / w->rstd[i];
}

static void normalise(real *y, real *norm, const real *x, size_t rows, size_t cols)
{
    rows_run(normalise_row, &(NormWork){.y = y, .rstd = norm, .x = x, .cols = cols}, rows, cols);
}

/* In the forward pass this was y = x / |x|, so dx += (dy - y (y . dy)) / |x|. */
static void normalise_backward_row(const void *context, size_t i)
{
    const NormWork *w = context;
    const real *y = w->x + i * w->cols, *dy = w->dy + i * w->cols;
    double dot = 0;
    for (size_t j = 0; j < w->cols; j++)
        dot += (double)y[j] * (double)dy[j];
    for (size_t j = 0; j < w->cols; j++)
        w->dx[i * w->cols + j] += (dy[j] - y[j] * (real)dot) / w->kept_rstd[i];
}

static void normalise_backward(real *dx, const real *dy, const real *y, const real *norm, size_t rows, size_t cols)
{
    rows_run(normalise_backward_row, &(NormWork){.dx = dx, .dy = dy, .x = y, .kept_rstd = norm, .cols = cols}, rows, cols);
}

void plain_norm_fill(Kernels *k)
{
    k->layernorm = layernorm;
    k->layernorm_backward = layernorm_backward;
    k->rmsnorm = rmsnorm;
    k->rmsnorm_backward = rmsnorm_backward;
    k->normalise = normalise;
    k->normalise_backward = normalise_backward;
}
