/*
 * Whether captions are this run's own policy's: by what records say of it (step and digest), and by what the learner computes:
 * log-probabilities recorded by rollout against those of the policy pass.
 */
#ifndef UPDATE_ON_POLICY_H
#define UPDATE_ON_POLICY_H

#include "base/options/options.h"
#include "update/run/state.h"

typedef struct OnPolicyRules {
    bool off;         /* captions of any policy, or none, are accepted */
    int64_t max_lag;  /* by how many steps the policy that sampled may be older */
    double share;     /* of the captions, have their log-probabilities compared */
    double max_drift; /* nats: a larger difference is refused; 0: none is */
} OnPolicyRules;

/* The rows of vlrm-update's option table that set them; rules: the OnPolicyRules themselves. */
/* clang-format off */
#define ON_POLICY_OPTIONS(rules) \
    OPT_INT("max-lag", 0, &(rules).max_lag, "0", 0, 1e6, "N", "accept captions of a policy that is up to N steps older"), \
    OPT_FLAG("off-policy", 0, &(rules).off, "accept captions that name no policy step", .may_change = true), \
    OPT_REAL("check-logp", 0, &(rules).share, "0", 0, 1, "F", \
             "compare the recorded log-probabilities of this share of records with the learner's", .may_change = true), \
    OPT_REAL("max-drift", 0, &(rules).max_drift, "1", 0, 1e30, "NATS", \
             "refuse a batch whose log-probabilities differ by more, unless --off-policy; 0: never", .may_change = true)
/* clang-format on */

/* Log-probabilities as recorded and as computed again, over `records` captions. */
typedef struct Drift {
    double mean, max;     /* of |difference| by token */
    size_t record, token; /* where the largest one is: in the batch, in the caption */
    size_t records, missing;
    bool checked; /* it was asked for */
} Drift;

/* Whether a caption's policy is one that may have sampled for the step after `now`. STATUS_MISMATCH for a stale or foreign one.
 */
MUST_USE bool on_policy_sampled(const OnPolicyRules *rules, Run *run, int64_t now, const Record *r, Error *err);

/*
 * Compares the share of captions that (seed, now, index) draws; those of them that carry no log-probabilities are `missing`,
 * which is warned of. STATUS_MISMATCH where the difference is too large.
 */
MUST_USE bool on_policy_drift(const OnPolicyRules *rules, Batch *b, const StepReport *report, uint64_t seed, int64_t now,
                              Drift *out, Error *err);

#endif
