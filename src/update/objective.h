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

/* What of a token's probability the policy's loss weighs with M: p (equation 4), or log p (REINFORCE as it is mostly written). */
typedef enum PolicyLoss { POLICY_LOSS_P, POLICY_LOSS_LOGP } PolicyLoss;

/*
 * Equation 4: L_p = -mean over captions of 1/n sum p_k M_k, or the same of log p_k. Returns this caption's share and writes its
 * gradient with respect to log p_k (that is -M_k p_k / (n captions), or -M_k / (n captions)).
 */
double policy_loss(double *dlogp, PolicyLoss kind, const double *logp, const double *m, size_t tokens, size_t captions);

/*
 * How far the policy is from the base captioner at these tokens: e^r - r - 1, r = log base - log p (Schulman's k3: no less than
 * 0, its mean under the policy is KL(policy || base)). Adds `weight` times the gradient of its mean over captions of the mean
 * over their tokens; returns this caption's share of weight times that mean, and adds k3 of its tokens to *sum.
 */
double kl_loss(double *dlogp, double *sum, double weight, const double *logp, const double *base, size_t tokens, size_t captions);

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
