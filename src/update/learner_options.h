/* The rows of vlrm-update's option table that say what is learned, and how; what they mean together is in learner.h. */
#ifndef UPDATE_LEARNER_OPTIONS_H
#define UPDATE_LEARNER_OPTIONS_H

#include "update/learner.h"

/* learner: the LearnerOptions themselves, not their address. */
/* clang-format off */
#define LEARNER_OPTIONS(learner) \
    OPT_GROUP("What is trained"), \
    OPT_ENUM("objective", 0, &(learner).objective, "vlrm", "vlrm|xe", \
             "reinforcement from rewards, or supervised training on the captions given", .numbers = true), \
    OPT_ENUM("baseline", 0, &(learner).baseline, "value", "value|rloo|group|batch|position|greedy", \
             "returns are compared with: a value head (paper), the image's other captions, all of them, all tokens of the batch, those " \
             "of the same place, the image's greedy caption; only value learns for it", \
             .numbers = true), \
    OPT_ENUM("group-scale", 0, &(learner).scale, "batch", "none|group|batch|both", \
             "advantages are divided by: nothing, the deviation of the image's rewards, that of the batch (paper: equation 3), both", \
             .numbers = true), \
    OPT_ENUM("policy-loss", 0, &(learner).policy_loss, "p", "p|logp", \
             "a token's weight in the policy's loss: its probability (paper: equation 4) or its logarithm", .numbers = true), \
    OPT_REAL("entropy-weight", 0, &(learner).entropy_weight, "0", -1e6, 1e6, "W", \
             "the policy's loss less W times its mean entropy, in nats", .numbers = true), \
    OPT_REAL("kl-weight", 0, &(learner).kl_weight, "0", 0, 1e6, "W", \
             "the policy's loss and W times its divergence from the base captioner, by token (k3); another pass, without gradients", \
             .numbers = true), \
    OPT_FLAG("report-kl", 0, &(learner).report_kl, "metrics have that divergence though --kl-weight is 0"), \
    OPT_LIST("train", 0, &(learner).train, NULL, "PARTS", \
             "query, qformer, projection, lora-vision, lora-llm (paper: section 4.1); default: of the first three what the model has", .numbers = true), \
    OPT_STRING("value-head", 0, &(learner).value_head, "residual:blocks=5,width=4", "SPEC", \
               "residual:blocks=N,width=W, linear, or mlp:layers=N,width=W", .numbers = true), \
    OPT_INT("critic-warmup", 0, &(learner).critic_warmup, "0", 0, 1e9, "N", \
            "in the first N steps values alone are learned, the policy stays the base", .numbers = true), \
    OPT_INT("value-updates", 0, &(learner).value_updates, "1", 1, 1000, "N", "updates of the value head on each batch", \
            .numbers = true), \
    OPT_FLAG("value-normalise", 0, &(learner).value_normalise, \
             "the value head predicts returns less their running mean, over their running deviation", .numbers = true), \
    OPT_INT("lora-rank", 0, &(learner).lora_rank, "4", 1, 1024, "R", "rank of the adapters", .numbers = true), \
    OPT_REAL("lora-alpha", 0, &(learner).lora_alpha, "8", 1e-6, 1e6, "A", "the adapters are scaled by alpha / rank", \
             .numbers = true), \
    OPT_LIST("lora-targets", 0, &(learner).lora_targets, NULL, "NAMES", \
             "linear layers of the language model that have adapters; default: all in its blocks", .numbers = true), \
    OPT_LIST("vision-targets", 0, &(learner).vision_targets, NULL, "NAMES", \
             "the same of the vision encoder, for lora-vision", .numbers = true), \
    OPT_GROUP("Optimizer"), \
    OPT_REAL("learning-rate", 0, &(learner).learning_rate, "1e-5", 0, 10, "LR", "of the policy, after warm-up", \
             .numbers = true, .first = true), \
    OPT_REAL("value-learning-rate", 0, &(learner).value_learning_rate, "0", 0, 10, "LR", \
             "of value head and value LoRA; 0: the same as --learning-rate", .numbers = true), \
    OPT_INT("warmup-steps", 0, &(learner).warmup_steps, "20", 0, 1e9, "N", "learning rate of step s is LR min(1, s/N)", \
            .numbers = true), \
    OPT_REAL("adam-beta1", 0, &(learner).beta1, "0.9", 0, 0.9999999, "B", "Adam's first decay", .numbers = true), \
    OPT_REAL("adam-beta2", 0, &(learner).beta2, "0.999", 0, 0.9999999, "B", "Adam's second decay", .numbers = true), \
    OPT_REAL("adam-epsilon", 0, &(learner).eps, "1e-8", 0, 1, "E", "Adam's epsilon", .numbers = true), \
    OPT_REAL("max-grad-value", 0, &(learner).max_grad_value, "1", 0, 1e30, "X", "clamp every gradient to [-X, X]; 0: off", \
             .numbers = true), \
    OPT_REAL("max-grad-norm", 0, &(learner).max_grad_norm, "0", 0, 1e30, "X", "scale the gradient to this norm instead; 0: off", \
             .numbers = true), \
    OPT_INT("block", 0, &(learner).block, "0", 0, 1e9, "N", \
            "gradients of N captions at a time are summed as 64-bit integers, whose sum has no order; 0: in floating point; several ranks: 32", \
            .numbers = true), \
    OPT_INT("gradient-parts", 0, &(learner).gradient_parts, "0", 0, 1024, "N", \
            "metrics say how much the gradients of N parts of the batch agree; takes the policy's gradient once more", \
            .numbers = true), \
    OPT_INT("seed", 0, &(learner).seed, "1", 0, 9e15, "N", "of the initial value head and adapters", .numbers = true)
/* clang-format on */

/* Fills in what is left to the model, by its configuration: parts and adapters' layers. False with err set where it cannot be
 * read; STATUS_MISMATCH for a part that it has not. */
MUST_USE bool learner_options_complete(LearnerOptions *o, Error *err);

/* Ends the program, as wrong usage, where they do not go together. */
void learner_options_check(const LearnerOptions *o);

#endif
