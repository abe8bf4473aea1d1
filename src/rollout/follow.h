/*
 * Following a published policy: which step samples which batch, and waiting for it.
 *
 * Batch k is sampled by step max(0, k - lag), exactly: so captions do not depend on how fast the stages are, and a run that was
 * killed and started again samples the same ones. Batches whose step is past have been consumed: they are skipped.
 * A single step folder is followed by staying with it.
 *
 * A step may take hours, so how long a policy is waited for is no sign of trouble; that nobody makes it is. vlrm-update holds
 * RUN/update.lock while it runs: when nobody has held it for `patience` seconds of waiting, the wait fails.
 */
#ifndef ROLLOUT_FOLLOW_H
#define ROLLOUT_FOLLOW_H

#include "base/hash.h"
#include "learn/policy.h"

typedef struct Follow {
    const char *dir; /* NULL: no policy is followed, the captioner's own tensors are used */
    int64_t lag;
    int64_t patience; /* seconds without a vlrm-update at work on the run; 0: for ever */
    Digest base;
    AppliedPolicy applied;
    bool has_policy;
    bool said_waiting;
    bool one; /* dir is one policy (a step folder) rather than the folder they are published in */
} Follow;

typedef enum FollowResult {
    FOLLOW_READY,    /* the captioner has the tensors of the right step */
    FOLLOW_CONSUMED, /* the run is past this batch */
    FOLLOW_ENDED,    /* interrupted, or nobody reads our output any more */
    FOLLOW_FAILED,
} FollowResult;

/* Looks what dir is; one policy is applied at once. dir, lag, patience and base are set. */
MUST_USE bool follow_open(Follow *f, Captioner *c, Error *err);

/* Waits for the policy of batch `index` and applies it. */
FollowResult follow_batch(Follow *f, Captioner *c, int64_t index, Error *err);

/* Digest of the policy in force: caption.policy. Its step, or -1 where none is followed. */
const char *follow_digest(const Follow *f);
int64_t follow_step(const Follow *f);

#endif
