/* The losses of a batch; see losses.h. */
#include "update/losses.h"

#include <stdlib.h>

void caption_losses(Losses *sums, double *gradient, const LearnerOptions *o, const Batch *b, const StepReport *r,
                    const Episode *e)
{
    const double *logp = r->logp + e->first;
    double loss = o->objective == OBJECTIVE_XE
                      ? cross_entropy(gradient, logp, e->n, b->n)
                      : policy_loss(gradient, o->policy_loss, logp, r->normalised + e->first, e->n, b->n);
    sums->policy += loss;
    if (r->base_logp)
        loss += kl_loss(gradient, &sums->kl, o->kl_weight, logp, r->base_logp + e->first, e->n, b->n);
    for (size_t k = 0; k < e->n && o->entropy_weight != 0; k++)
        loss -= o->entropy_weight * r->entropy[e->first + k] / ((double)e->n * (double)b->n);
    sums->all += loss;
}

/* For gradients that nobody asks for: as long as the longest caption. */
static double *unasked(const Batch *b)
{
    size_t most = 1;
    for (size_t i = 0; i < b->n; i++)
        most = b->episodes[i].n > most ? b->episodes[i].n : most;
    return xmalloc(most * sizeof(double));
}

void losses_of_values(StepReport *r, const Batch *b)
{
    double *gradient = unasked(b);
    r->value_loss = 0;
    for (size_t i = 0; i < b->n; i++) {
        const Episode *e = &b->episodes[i];
        r->value_loss += value_loss(gradient, b->returns + e->first, r->values + e->first, e->n, b->n);
    }
    free(gradient);
}

void losses_of_policy(StepReport *r, const LearnerOptions *o, const Batch *b)
{
    double *gradient = unasked(b);
    Losses sums = {0, 0, 0};
    for (size_t i = 0; i < b->n; i++)
        caption_losses(&sums, gradient, o, b, r, &b->episodes[i]);
    r->policy_loss = sums.policy;
    r->loss = sums.all;
    r->kl = sums.kl / (b->n_tokens ? (double)b->n_tokens : 1);
    free(gradient);
}
