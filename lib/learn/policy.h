/*
 * The published policy: what vlrm-update writes after each step and vlrm-rollout follows. formats/run.md says every file.
 *
 * A folder step-NNNNNN appears whole, then the link `latest` moves to it by rename, so a reader sees either the old policy or the
 * new one.
 */
#ifndef LEARN_POLICY_H
#define LEARN_POLICY_H

#include "base/hash.h"
#include "base/steps.h"
#include "models/captioner.h"
#include "learn/lora.h"

/* What config.json of a policy folder says. */
typedef struct PolicyInfo {
    int64_t step, lag;
    Digest base, digest;
} PolicyInfo;

/* The step that `latest` names; -1 when nothing is published yet. False for a link that names no step. */
MUST_USE bool policy_latest(const char *dir, int64_t *step, Error *err);

/* Reads the config.json of one policy folder, and every tensor beside it: what it says of their digest must be true, else
 * STATUS_CORRUPT. */
MUST_USE bool policy_info(const char *folder, PolicyInfo *out, Error *err);

/*
 * Writes DIR/step-NNNNNN of `info` (its digest is computed and filled in) from the parameters of its groups and, if not NULL, the
 * adapters. Does not move `latest`. A folder of that step that is already there is replaced; but if it says the very same, it is
 * left alone: a rollout may be reading it.
 */
MUST_USE bool policy_write(const char *dir, PolicyInfo *info, const Parameters *parameters, const LoraSet *adapter, Error *err);

/* Moves `latest` to a step. */
MUST_USE bool policy_publish(const char *dir, int64_t step, Error *err);

/* A captioner under a published policy. */
typedef struct AppliedPolicy {
    PolicyInfo info;
    Checkpoint *delta; /* owned: the captioner's tensors lie in its mapping */
    LoraSet *adapter;  /* owned; NULL where the policy has none */
} AppliedPolicy;

/*
 * Puts a policy folder's tensors into the captioner, in place of those of an earlier one (`applied`, zeroed at first). A policy
 * of another base is STATUS_MISMATCH: base is the digest of the captioner's checkpoint. On failure the captioner has its own
 * tensors.
 */
MUST_USE bool policy_apply(AppliedPolicy *applied, Captioner *c, const char *base, const char *folder, Error *err);

/* Gives the captioner its own tensors back. */
void policy_release(AppliedPolicy *applied, Captioner *c);

#endif
