/* The rows of vlrm-update's option table that say what is learned, and how; what they mean together is in learner.h. */
#ifndef UPDATE_LEARNER_OPTIONS_H
#define UPDATE_LEARNER_OPTIONS_H

#include "update/learner.h"

/* learner: the LearnerOptions themselves, not their address. */
/* clang-format off */
#define LEARNER_OPTIONS(learner) \
    OPT_GROUP("What is trained"), \
    OPT_ENUM("objective", 0, &(learner).objective, "vlrm", "vlrm|xe", \
             "learn from rewards (reinforcement), or the captions given (supervised)"), \
    OPT_ENUM("baseline", 0, &(learner).baseline, "value", "value|rloo|group|batch|position|greedy", \
             "compare returns with: a value head (paper), the image's other captions, all of them, all tokens of the batch, those " \
             "of the same place, the image's greedy caption; only value learns for it"), \
    OPT_ENUM("group-scale", 0, &(learner).scale, "batch", "none|group|batch|both", \
             "divide advantages by: nothing, the deviation of the image's rewards, that of the batch (paper: equation 3), both"), \
    OPT_ENUM("policy-loss", 0, &(learner).policy_loss, "p", "p|logp", \
             "weigh a token in the policy's loss by its probability (paper: equation 4) or by its logarithm"), \
    OPT_REAL("entropy-weight", 0, &(learner).entropy_weight, "0", -1e6, 1e6, "W", \
             "take W times the mean entropy, in nats, from the policy's loss"), \
    OPT_REAL("kl-weight", 0, &(learner).kl_weight, "0", 0, 1e6, "W", \
             "add W times the divergence from the base captioner to the policy's loss, by token (k3); another pass, without gradients"), \
    OPT_FLAG("report-kl", 0, &(learner).report_kl, "report that divergence though --kl-weight is 0", .may_change = true), \
    OPT_LIST("train", 0, &(learner).train, NULL, "PARTS", \
             "train these parts: query, qformer, projection, lora-vision, lora-llm (paper: section 4.1); default: of the first three what the model has"), \
    OPT_STRING("value-head", 0, &(learner).value_head, "residual:blocks=5,width=4", "SPEC", \
               "build the value head so: residual:blocks=N,width=W, linear, or mlp:layers=N,width=W"), \
    OPT_INT("critic-warmup", 0, &(learner).critic_warmup, "0", 0, 1e9, "N", \
            "learn values alone in the first N steps, while the policy stays the base"), \
    OPT_INT("value-updates", 0, &(learner).value_updates, "1", 1, 1000, "N", "update the value head N times on each batch"), \
    OPT_FLAG("value-normalise", 0, &(learner).value_normalise, \
             "let the value head predict returns less their running mean, over their running deviation"), \
    OPT_INT("lora-rank", 0, &(learner).lora_rank, "4", 1, 1024, "R", "give adapters this rank"), \
    OPT_REAL("lora-alpha", 0, &(learner).lora_alpha, "8", 1e-6, 1e6, "A", "scale the adapters by alpha / rank"), \
    OPT_LIST("lora-targets", 0, &(learner).lora_targets, NULL, "NAMES", \
             "give these linear layers of the language model adapters; default: all in its blocks"), \
    OPT_LIST("vision-targets", 0, &(learner).vision_targets, NULL, "NAMES", \
             "give these of the vision encoder adapters, for lora-vision"), \
    OPT_GROUP("Optimizer"), \
    OPT_REAL("learning-rate", 0, &(learner).learning_rate, "1e-5", 0, 10, "LR", "set the policy's learning rate, after warm-up", .first = true), \
    OPT_REAL("value-learning-rate", 0, &(learner).value_learning_rate, "0", 0, 10, "LR", \
             "set the learning rate of value head and value LoRA; 0: the same as --learning-rate"), \
    OPT_INT("warmup-steps", 0, &(learner).warmup_steps, "20", 0, 1e9, "N", "let step s learn at the rate LR min(1, s/N)"), \
    OPT_REAL("adam-beta1", 0, &(learner).beta1, "0.9", 0, 0.9999999, "B", "set Adam's first decay"), \
    OPT_REAL("adam-beta2", 0, &(learner).beta2, "0.999", 0, 0.9999999, "B", "set Adam's second decay"), \
    OPT_REAL("adam-epsilon", 0, &(learner).eps, "1e-8", 0, 1, "E", "set Adam's epsilon"), \
    OPT_REAL("max-grad-value", 0, &(learner).max_grad_value, "1", 0, 1e30, "X", "clamp every gradient to [-X, X]; 0: off"), \
    OPT_REAL("max-grad-norm", 0, &(learner).max_grad_norm, "0", 0, 1e30, "X", "scale the gradient to this norm instead; 0: off"), \
    OPT_INT("block", 0, &(learner).block, "0", 0, 1e9, "N", \
            "sum gradients of N captions at a time as 64-bit integers, whose sum has no order; 0: in floating point; several ranks: 32"), \
    OPT_INT("gradient-parts", 0, &(learner).gradient_parts, "0", 0, 1024, "N", \
            "report how much the gradients of N parts of the batch agree; takes the policy's gradient once more"), \
    OPT_INT("seed", 0, &(learner).seed, "1", 0, 9e15, "N", "seed the initial value head and adapters")
/* clang-format on */

/* Fills in what is left to the model, by its configuration: parts and adapters' layers. False with err set where it cannot be
 * read; STATUS_MISMATCH for a part that it has not. */
MUST_USE bool learner_options_complete(LearnerOptions *o, Error *err);

/* Ends the program, as wrong usage, where they do not go together. */
void learner_options_check(const LearnerOptions *o);

#endif
