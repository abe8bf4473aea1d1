/* The actor-critic arithmetic of one batch; see objective.h. */
#include "update/objective.h"

#include <math.h>
#include <stdlib.h>

Moments moments(const double *x, size_t n)
{
    Moments m = {0, 0};
    if (n == 0)
        return m;
    for (size_t i = 0; i < n; i++)
        m.mean += x[i];
    m.mean /= (double)n;
    double squares = 0;
    for (size_t i = 0; i < n; i++)
        squares += (x[i] - m.mean) * (x[i] - m.mean);
    m.std = n > 1 ? sqrt(squares / (double)(n - 1)) : 0;
    return m;
}

double value_loss(double *dv, const double *returns, const double *values, size_t tokens, size_t captions)
{
    double weight = 1 / ((double)tokens * (double)captions), loss = 0;
    for (size_t k = 0; k < tokens; k++) {
        double error = returns[k] - values[k];
        loss += weight * error * error;
        dv[k] = -2 * weight * error;
    }
    return loss;
}

double policy_loss(double *dlogp, PolicyLoss kind, const double *logp, const double *m, size_t tokens, size_t captions)
{
    double weight = 1 / ((double)tokens * (double)captions), loss = 0;
    for (size_t k = 0; k < tokens; k++) {
        dlogp[k] = -weight * m[k] * (kind == POLICY_LOSS_P ? exp(logp[k]) : 1);
        loss += kind == POLICY_LOSS_P ? dlogp[k] : dlogp[k] * logp[k];
    }
    return loss;
}

double kl_loss(double *dlogp, double *sum, double weight, const double *logp, const double *base, size_t tokens, size_t captions)
{
    double share = weight / ((double)tokens * (double)captions), loss = 0;
    for (size_t k = 0; k < tokens; k++) {
        const double r = base[k] - logp[k], k3 = expm1(r) - r;
        dlogp[k] -= share * expm1(r);
        loss += share * k3;
        *sum += k3;
    }
    return loss;
}

double cross_entropy(double *dlogp, const double *logp, size_t tokens, size_t captions)
{
    double weight = 1 / ((double)tokens * (double)captions), loss = 0;
    for (size_t k = 0; k < tokens; k++) {
        dlogp[k] = -weight;
        loss -= weight * logp[k];
    }
    return loss;
}

double explained_variance(const double *returns, const double *values, size_t n)
{
    double *error = xmalloc((n ? n : 1) * sizeof *error);
    for (size_t k = 0; k < n; k++)
        error[k] = returns[k] - values[k];
    Moments e = moments(error, n), r = moments(returns, n);
    free(error);
    return r.std > 0 ? 1 - e.std * e.std / (r.std * r.std) : 0;
}
