/*
 * The learner: models, trained parameters, and one actor-critic step on a batch (paper, sections 3.2 and 3.5).
 *
 *   step 2, values:  OPT with the value pass's LoRA over [prefix, BOS, caption]; L_v; gradients to LoRA and value head only.
 *                    The prefix comes from the current Q-Former and is a constant here.
 *   step 3, policy:  A = R - V with V from before its own update; M over the whole batch; L_p; gradients through the frozen OPT
 *                    to projection, Q-Former and query tokens (and to the policy's own adapters, if they are trained).
 *
 * With another baseline than the value head there is no step 2, and nothing that it needs. Captions of one image that are
 * neighbours share its prefix.
 *
 * Both passes go over the batch in micro-batches that fit --memory; gradients add up, so the size changes only rounding.
 * The prefixes of a batch that is one micro-batch are computed once for both passes.
 */
#ifndef UPDATE_LEARNER_H
#define UPDATE_LEARNER_H

#include "base/hash.h"
#include "base/options/options.h"
#include "learn/policy.h"
#include "learn/value_head.h"
#include "update/baseline.h"
#include "update/fixed.h"
#include "update/objective.h"
#include "update/reference.h"

typedef enum Objective { OBJECTIVE_VLRM, OBJECTIVE_XE } Objective;

/* The groups of trained parameters, by name: those of the policy, then those of the value. */
enum { POLICY_GROUPS = 5, LEARNER_GROUPS = 7 };
extern const char *const learner_groups[LEARNER_GROUPS];

/* As the options of vlrm-update give them. */
typedef struct LearnerOptions {
    const char *model, *prompt, *value_head; /* prompt NULL: the family's */
    StringList train;                        /* parts: query, qformer, projection, lora-vision, lora-llm */
    StringList lora_targets, vision_targets;
    int64_t lora_rank;
    double lora_alpha;
    Objective objective;
    Baseline baseline;
    GroupScale scale;
    PolicyLoss policy_loss;
    double entropy_weight, kl_weight;
    int64_t critic_warmup, value_updates, gradient_parts;
    bool value_normalise;
    bool report_kl; /* the divergence from the base captioner is computed though it has no weight */
    bool crop;
    int64_t tiles; /* along the longer edge of a picture; 0, 1: it is not cut */
    int64_t seed;
    double learning_rate, value_learning_rate; /* of the value 0: as the policy's */
    double beta1, beta2, eps;
    int64_t warmup_steps;
    double max_grad_value, max_grad_norm; /* the norm wins where it is given (> 0) */
    int64_t memory;                       /* MiB for activations */
    int64_t block;   /* captions whose gradients become integers together (fixed.h); 0: they stay what they are */
    bool count_only; /* no digests and no moments: the learner is only good for counting its parameters */
} LearnerOptions;

/* Whether the base captioner is computed too. */
bool reference_wanted(const LearnerOptions *o);

/* Running mean and mean square of returns, by which the value head's outputs are scaled (--value-normalise). */
typedef struct ReturnScale {
    double mean, square, weight; /* weighed sums with decay; weight 0: nothing has been seen */
} ReturnScale;

typedef struct Learner {
    LearnerOptions options; /* value_learning_rate is resolved */
    size_t memory;          /* bytes for activations */
    const Kernels *kernels;
    Tape *tape;           /* owned */
    Captioner *captioner; /* owned */
    Digest base, encoder;
    Parameters policy, value;          /* value: value head and the value pass's LoRA */
    LoraSet *policy_lora, *value_lora; /* owned; policy_lora NULL unless trained */
    Reference reference;               /* of the policy's own tensors; empty unless the divergence from the base is asked for */
    ValueHead *head;                   /* owned; NULL where nothing learns values (--objective xe, --baseline) */
    bool train_vision;
    Ranks *ranks;                   /* borrowed: those that learn with us; NULL: none */
    FixedSum policy_sum, value_sum; /* with options.block */
    Tensor *kept_prefix;            /* of the whole batch, left on the tape by the value pass for the policy's; NULL: not there */
    int64_t step;                   /* optimizer steps taken */
    ReturnScale scale;
} Learner;

/* Seconds of each phase of one step. */
typedef struct PhaseSeconds {
    double encode, reference, values, policy, optimizer;
} PhaseSeconds;

/* What one step came to. Arrays run over the batch's tokens in order; they live in `arena`. */
typedef struct StepReport {
    double *values, *advantages, *normalised, *logp, *entropy; /* values: what returns were compared with */
    ReturnScale scale; /* with this batch's returns; the learner's once the step is taken */
    double *base_logp; /* of the base captioner; NULL where it was not asked for */
    double value_loss, policy_loss, learning_rate;
    double
        agreement;   /* of the gradients of parts of the batch: norm of their mean over mean of their norms; NAN: not asked for */
    double loss, kl; /* of the policy with all its terms; mean over tokens of the divergence from the base captioner */
    double norm_policy, norm_value, norm[LEARNER_GROUPS]; /* of gradients before clamping: of the sets, of each group */
    size_t micro_batches, largest_micro;
    PhaseSeconds seconds;
} StepReport;

/* NULL with err set. The parameters are those of the model, torch's defaults for what is new. */
Learner *learner_new(const LearnerOptions *options, const Kernels *kernels, Error *err);
void learner_free(Learner *l);

/* Says, as a note, how many parameters each part trains. */
void learner_describe(const Learner *l);

/* Called between the gradients and the optimizer, before clamping; for --dump. */
typedef void GradientHook(void *context, Learner *l);

/*
 * The parts of a step, in their order. begin: gradients are zero, the report's arrays come from arena. values: step 2, leaves
 * values and advantages in the report and adds the gradient of L_v; baseline: the same without a value head, from the batch
 * alone; policy: step 3, adds that of L_p (or of --objective xe). reference, before all of them: log-probabilities under the base
 * captioner.
 */
void learner_begin(Learner *l, const Batch *batch, StepReport *report, Arena *arena);
MUST_USE bool learner_values(Learner *l, Batch *batch, StepReport *report, Error *err);
MUST_USE bool learner_reference(Learner *l, Batch *batch, StepReport *report, Error *err);
MUST_USE bool learner_baseline(const Learner *l, const Batch *batch, StepReport *report, Error *err);
MUST_USE bool learner_policy(Learner *l, Batch *batch, StepReport *report, Error *err);

/* One optimizer step: all of the above, then Adam. report's arrays come from arena. False when an image or the spool cannot be
 * read, or, with STATUS_CHECK, where a loss or gradient is not finite: no parameter has moved then. */
MUST_USE bool learner_step(Learner *l, Batch *batch, StepReport *report, Arena *arena, GradientHook *hook, void *context,
                           Error *err);

#endif
