/*
 * The actor-critic arithmetic of one batch, in double on the host (paper, sections 3.2 and 3.5; conventions: MODEL.md).
 *
 * All arrays run over the tokens of the batch, caption after caption; length[i] is the number of tokens of caption i.
 */
#ifndef UPDATE_OBJECTIVE_H
#define UPDATE_OBJECTIVE_H

#include "base/base.h"

/*
 * Equation 2: L_v = mean over captions of the mean over their tokens of (R - V)^2. Returns this caption's share of the loss of a
 * batch of `captions` and writes its gradient with respect to V.
 */
double value_loss(double *dv, const double *returns, const double *values, size_t tokens, size_t captions);

/*
 * Equation 4: L_p = -mean over captions of 1/n sum p_k M_k. Returns this caption's share and writes its gradient with respect to
 * log p_k (that is -M_k p_k / (n captions)).
 */
double policy_loss(double *dlogp, const double *logp, const double *m, size_t tokens, size_t captions);

/* --objective xe: the mean over captions of the mean over their tokens of -log p. */
double cross_entropy(double *dlogp, const double *logp, size_t tokens, size_t captions);

/* Mean and unbiased standard deviation; 0 for fewer than two numbers. */
typedef struct Moments {
    double mean, std;
} Moments;
Moments moments(const double *x, size_t n);

/* 1 - var(R - V) / var(R); 0 where R does not vary. */
double explained_variance(const double *returns, const double *values, size_t n);

#endif
