/* Whose captions these are; see on_policy.h. */
#include "update/on_policy.h"

#include <math.h>
#include <string.h>

#include "base/random.h"

bool on_policy_sampled(const OnPolicyRules *rules, Run *run, int64_t now, const Record *r, Error *err)
{
    int64_t step;
    Slice policy;
    Field found = record_int(r, "caption.step", &step);
    if (rules->off)
        return found != FIELD_WRONG || error_set_status(err, STATUS_MISMATCH, "caption.step is not an integer");
    if (found != FIELD_OK)
        return error_set_status(err, STATUS_MISMATCH,
                                "caption.step is missing: give --off-policy to train on captions that name no policy");
    if (step > now || step < now - rules->max_lag)
        return error_set_status(err, STATUS_MISMATCH, "sampled by the policy of step %lld, expected step %lld%s", (long long)step,
                                (long long)now, rules->max_lag ? " or up to --max-lag before it" : "");
    if (record_string(r, "caption.policy", &policy) != FIELD_OK)
        return true;
    const char *published = run_policy(run, step, err);
    return published && (slice_equal(policy, published) ||
                         error_set_status(err, STATUS_MISMATCH, "sampled by policy %.*s of step %lld, expected %s, this run's",
                                          (int)policy.size, (const char *)policy.data, (long long)step, published));
}

static Drift drift_measure(const OnPolicyRules *rules, const Batch *b, const StepReport *report, uint64_t seed, int64_t now)
{
    Drift d = {.checked = rules->share > 0};
    size_t tokens = 0;
    for (size_t i = 0; i < b->n; i++) {
        const Episode *e = &b->episodes[i];
        if (random_uniform(seed, (uint32_t)now + 1, i, 0) >= rules->share)
            continue;
        if (isnan(b->logp[e->first])) {
            d.missing++;
            continue;
        }
        d.records++;
        for (size_t k = 0; k < e->n; k++) {
            double difference = fabs(b->logp[e->first + k] - report->logp[e->first + k]);
            d.mean += difference;
            if (difference > d.max) {
                d.max = difference;
                d.record = i;
                d.token = k;
            }
        }
        tokens += e->n;
    }
    d.mean /= tokens ? (double)tokens : 1;
    return d;
}

static bool refuse(const Drift *d, double limit, Batch *b, const StepReport *report, int64_t now, Error *err)
{
    Record r;
    Arena arena = {0};
    size_t at = b->episodes[d->record].first + d->token;
    if (b->episodes[d->record].record == RECORD_ELSEWHERE)
        error_set_status(
            err, STATUS_MISMATCH,
            "of a record of another rank caption.logp[%zu] is %.6g, the policy of step %lld gives %.6g (--max-drift %g)",
            d->token, b->logp[at], (long long)now, report->logp[at], limit);
    else if (batch_record(b, d->record, &r, &arena, err))
        error_set_status(err, STATUS_MISMATCH,
                         "record %.*s: caption.logp[%zu] is %.6g, the policy of step %lld gives %.6g (--max-drift %g)",
                         (int)r.id.size, (const char *)r.id.data, d->token, b->logp[at], (long long)now, report->logp[at], limit);
    arena_release(&arena);
    return false;
}

bool on_policy_drift(const OnPolicyRules *rules, Batch *b, const StepReport *report, uint64_t seed, int64_t now, Drift *out,
                     Error *err)
{
    *out = drift_measure(rules, b, report, seed, now);
    if (out->missing)
        warn("step %lld: %zu of the records to be checked carry no caption.logp", (long long)now + 1, out->missing);
    bool good = rules->off || rules->max_drift == 0 || !(out->max > rules->max_drift);
    return good || refuse(out, rules->max_drift, b, report, now, err);
}
