/* Metrics of one step; see metrics.h. */
#include "update/run/metrics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/hash.h"
#include "base/hashmap.h"
#include "update/objective.h"

/* Adds a number if it is one: JSON has no NaN. */
static void put(json_t *object, const char *key, double value)
{
    if (isfinite(value))
        json_object_set_new(object, key, json_real(value));
}

static void put_moments(json_t *object, const char *key, const double *x, size_t n)
{
    Moments m = moments(x, n);
    json_t *pair = json_object();
    put(pair, "mean", m.mean);
    put(pair, "std", m.std);
    json_object_set_new(object, key, pair);
}

/* Distinct n-grams of tokens over all n-grams of the batch (Li et al. 2016). */
static double distinct(const Batch *b, size_t n)
{
    size_t total = 0, unique = 0;
    HashMap seen = {0};
    for (size_t i = 0; i < b->n; i++)
        for (size_t k = 0; k + n <= b->episodes[i].n; k++) {
            unique += hashmap_add(&seen, hash_id(b->tokens + b->episodes[i].first + k, n * sizeof *b->tokens));
            total++;
        }
    hashmap_release(&seen);
    return total ? (double)unique / (double)total : 0;
}

static double mean_exp(const double *logp, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += exp(logp[i]);
    return n ? sum / (double)n : 0;
}

/* One number of every caption, into `out`. */
typedef double EpisodeValue(const Batch *b, const Episode *e);

static double episode_return(const Batch *b, const Episode *e)
{
    return b->returns[e->first];
}

static double episode_sim(const Batch *b, const Episode *e)
{
    (void)b;
    return e->sim;
}

static double episode_ref(const Batch *b, const Episode *e)
{
    (void)b;
    return e->ref;
}

static double episode_itm(const Batch *b, const Episode *e)
{
    (void)b;
    return e->itm;
}

static double episode_phi(const Batch *b, const Episode *e)
{
    (void)b;
    return e->phi;
}

static double episode_words(const Batch *b, const Episode *e)
{
    (void)b;
    return e->words;
}

static double episode_length(const Batch *b, const Episode *e)
{
    (void)b;
    return (double)e->n;
}

static void put_rewards(json_t *object, const Batch *b)
{
    static const struct {
        const char *key;
        EpisodeValue *value;
    } parts[] = {{"reward", episode_return}, {"sim", episode_sim},       {"ref", episode_ref},    {"itm", episode_itm},
                 {"phi", episode_phi},       {"length", episode_length}, {"words", episode_words}};
    double *x = xmalloc((b->n + 1) * sizeof *x);
    for (size_t p = 0; p < sizeof parts / sizeof parts[0]; p++) {
        for (size_t i = 0; i < b->n; i++)
            x[i] = parts[p].value(b, &b->episodes[i]);
        put_moments(object, parts[p].key, x, b->n);
    }
    free(x);
    double eos = 0, bad = 0, repeat = 0, noeos = 0, n = (double)b->n;
    for (size_t i = 0; i < b->n; i++) {
        eos += b->episodes[i].eos;
        noeos += (double)b->episodes[i].noeos;
        bad += b->episodes[i].bad > 0;
        repeat += b->episodes[i].repeat > 0;
    }
    put(object, "eos_rate", eos / n);
    put(object, "noeos_rate", noeos / n);
    put(object, "bad_rate", bad / n);
    put(object, "repeat_rate", repeat / n);
}

static void put_seconds(json_t *object, const Batch *b, const StepReport *r, double seconds)
{
    json_t *s = json_object();
    put(s, "encode", r->seconds.encode);
    if (r->base_logp)
        put(s, "reference", r->seconds.reference);
    put(s, "values", r->seconds.values);
    put(s, "policy", r->seconds.policy);
    put(s, "optimizer", r->seconds.optimizer);
    put(s, "step", seconds);
    json_object_set_new(object, "seconds", s);
    put(object, "images_per_second", seconds > 0 ? (double)b->n / seconds : NAN);
}

static void put_gradients(json_t *object, const Learner *l, const StepReport *r)
{
    json_t *g = json_object();
    put(g, "policy", r->norm_policy);
    put(g, "value", r->norm_value);
    put(object, "grad_agreement", r->agreement);
    for (size_t i = 0; i < LEARNER_GROUPS; i++)
        if (parameters_count(&l->policy, learner_groups[i]) + parameters_count(&l->value, learner_groups[i]) > 0)
            put(g, learner_groups[i], r->norm[i]);
    json_object_set_new(object, "grad_norm", g);
}

static void put_drift(json_t *object, const Drift *drift)
{
    if (!drift->checked)
        return;
    json_t *d = json_object();
    put(d, "mean", drift->mean);
    put(d, "max", drift->max);
    json_object_set_new(d, "records", json_integer((json_int_t)drift->records));
    json_object_set_new(object, "logp_drift", d);
}

/* What advantages were made of; the names in groups are TRL's. */
static void put_advantages(json_t *object, const Learner *l, const Batch *b, const StepReport *r)
{
    const size_t n = b->n_tokens;
    put_moments(object, "return", b->returns, n);
    put_moments(object, "value", r->values, n);
    if (l->head)
        put(object, "value_loss", r->value_loss);
    put(object, "explained_variance", explained_variance(b->returns, r->values, n));
    put(object, "advantage_std", moments(r->advantages, n).std);
    if (b->n_groups == b->n && b->n_entries == b->n) /* each caption is alone */
        return;
    const GroupSpread spread = group_spread(b);
    size_t lost = 0;
    for (size_t i = 0; i < b->n_groups; i++)
        lost += (size_t)b->groups[i].lost;
    json_object_set_new(object, "groups", json_integer((json_int_t)b->n_groups));
    json_object_set_new(object, "group_lost", json_integer((json_int_t)lost));
    put(object, "reward_std", spread.mean_std);
    put(object, "frac_reward_zero_std", spread.zero_share);
}

json_t *metrics_json(const Learner *l, const Batch *b, const StepReport *r, int64_t batch_index, const Drift *drift,
                     double seconds)
{
    json_t *m = json_object();
    size_t n = b->n_tokens;
    json_object_set_new(m, "step", json_integer(l->step));
    json_object_set_new(m, "batch", json_integer(batch_index));
    json_object_set_new(m, "captions", json_integer((json_int_t)b->n));
    json_object_set_new(m, "tokens", json_integer((json_int_t)n));
    put_rewards(m, b);
    json_t *parts = reward_parts_json(&b->parts);
    if (parts)
        json_object_set_new(m, "parts", parts);
    if (l->options.objective == OBJECTIVE_VLRM)
        put_advantages(m, l, b, r);
    put(m, "policy_loss", r->policy_loss);
    if (l->options.entropy_weight != 0 || l->options.kl_weight > 0)
        put(m, "loss", r->loss);
    if (r->base_logp)
        put(m, "kl", r->kl);
    put(m, "p_mean", mean_exp(r->logp, n));
    put(m, "entropy", moments(r->entropy, n).mean);
    put_gradients(m, l, r);
    put(m, "learning_rate", r->learning_rate);
    put(m, "distinct_1", distinct(b, 1));
    put(m, "distinct_2", distinct(b, 2));
    put_drift(m, drift);
    put_seconds(m, b, r, seconds);
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    put(m, "peak_memory_mib", (double)usage.ru_maxrss / 1024);
    put(m, "activations_mib", (double)tape_peak(l->tape) / 1048576);
    return m;
}
