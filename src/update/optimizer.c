/* From gradients to parameters; see optimizer.h. */
#include "update/optimizer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static double group_squares(const Parameters *p, const char *group)
{
    double sum = 0;
    for (size_t i = 0; i < p->count; i++)
        if (strcmp(p->items[i]->group, group) == 0)
            sum += p->kernels->sum_squares(p->items[i]->value.grad, tensor_size(&p->items[i]->value));
    return sum;
}

/* The norms of both sets and of each group into the report; that over all parameters. */
static double gradient_norms(const Learner *l, StepReport *r)
{
    double sets[2] = {0, 0};
    for (size_t i = 0; i < LEARNER_GROUPS; i++) {
        double squares = group_squares(i < POLICY_GROUPS ? &l->policy : &l->value, learner_groups[i]);
        r->norm[i] = sqrt(squares);
        sets[i >= POLICY_GROUPS] += squares;
    }
    r->norm_policy = sqrt(sets[0]);
    r->norm_value = sqrt(sets[1]);
    return sqrt(sets[0] + sets[1]);
}

static void clamp_gradient(const Learner *l, real *grad, double scale, size_t n)
{
    if (l->options.max_grad_norm > 0)
        l->kernels->scale(grad, scale, n);
    else if (l->options.max_grad_value > 0)
        l->kernels->clamp(grad, l->options.max_grad_value, n);
}

static void adam(const Learner *l, const Parameters *p, double rate, double scale, int64_t update)
{
    AdamStep step = {rate, l->options.beta1, l->options.beta2, l->options.eps, 0, update};
    for (size_t i = 0; i < p->count; i++) {
        const Parameter *item = p->items[i];
        size_t n = tensor_size(&item->value);
        clamp_gradient(l, item->value.grad, scale, n);
        l->kernels->adam(item->value.data, item->value.grad, item->m, item->v, &step, n);
    }
}

/* What is not finite would be clamped to numbers like any other, or make parameters NaN for good. */
static bool check_finite(const Learner *l, const StepReport *r, Error *err)
{
    bool finite = isfinite(r->value_loss) && isfinite(r->policy_loss) && isfinite(r->norm_policy) && isfinite(r->norm_value);
    return finite ||
           error_set_status(err, STATUS_CHECK,
                            "step %lld would not be finite: value loss %g, policy loss %g, gradient norms: value %g, policy %g",
                            (long long)l->step + 1, r->value_loss, r->policy_loss, r->norm_value, r->norm_policy);
}

/* For clamping as torch's clip_grad_norm_ does. */
static double scale_to_norm(const Learner *l, double norm)
{
    return fmin(1, l->options.max_grad_norm / (norm + 1e-6));
}

/* Linear warm-up, of a set's `step`-th step (from 1). */
static double warmed(const Learner *l, double rate, int64_t step)
{
    return l->options.warmup_steps > 0 ? rate * fmin(1, (double)step / (double)l->options.warmup_steps) : rate;
}

bool policy_moves(const Learner *l)
{
    return l->step >= l->options.critic_warmup;
}

bool optimizer_look(const Learner *l, StepReport *r, double *scale, Error *err)
{
    *scale = scale_to_norm(l, gradient_norms(l, r));
    const int64_t step = l->step + 1 - l->options.critic_warmup;
    r->learning_rate = step > 0 ? warmed(l, l->options.learning_rate, step) : 0;
    return check_finite(l, r, err);
}

void optimizer_policy(const Learner *l, StepReport *r, double scale)
{
    if (policy_moves(l))
        adam(l, &l->policy, r->learning_rate, scale, l->step + 1 - l->options.critic_warmup);
}

void optimizer_value(const Learner *l, size_t k, double scale)
{
    const int64_t update = l->step * l->options.value_updates + (int64_t)k + 1;
    adam(l, &l->value, warmed(l, l->options.value_learning_rate, l->step + 1), scale, update);
}

double optimizer_value_scale(const Learner *l)
{
    double squares = 0;
    for (size_t i = POLICY_GROUPS; i < LEARNER_GROUPS; i++)
        squares += group_squares(&l->value, learner_groups[i]);
    return scale_to_norm(l, sqrt(squares));
}

/* ---- parts ---- */

static double policy_norm(const Learner *l)
{
    double squares = 0;
    for (size_t i = 0; i < POLICY_GROUPS; i++)
        squares += group_squares(&l->policy, learner_groups[i]);
    return sqrt(squares);
}

void gradient_sum_init(GradientSum *s, const Learner *l)
{
    *s = (GradientSum){.sums = xcalloc(l->policy.count + 1, sizeof *s->sums)};
    for (size_t i = 0; i < l->policy.count; i++) {
        const size_t bytes = tensor_size(&l->policy.items[i]->value) * sizeof(real);
        s->sums[i] = l->kernels->memory_new(bytes);
        l->kernels->zero(s->sums[i], bytes);
    }
}

void gradient_sum_take(GradientSum *s, const Learner *l)
{
    s->norms += policy_norm(l);
    for (size_t i = 0; i < l->policy.count; i++) {
        const Tensor *t = &l->policy.items[i]->value;
        l->kernels->axpy(s->sums[i], 1, t->grad, tensor_size(t));
        l->kernels->zero(t->grad, tensor_size(t) * sizeof(real));
    }
}

double gradient_sum_end(GradientSum *s, const Learner *l)
{
    for (size_t i = 0; i < l->policy.count; i++) {
        const Tensor *t = &l->policy.items[i]->value;
        l->kernels->copy(t->grad, s->sums[i], tensor_size(t) * sizeof(real));
        l->kernels->memory_free(s->sums[i]);
    }
    free(s->sums);
    return s->norms > 0 ? policy_norm(l) / s->norms : NAN;
}
