/* What of the learner's options goes together; see learner_options.h. */
#include "update/learner_options.h"

#include <string.h>

static void check_parts(const LearnerOptions *o)
{
    static const char *const parts[] = {"query", "qformer", "projection", "lora-vision", "lora-llm"};
    for (size_t i = 0; i < o->train.count; i++) {
        bool known = false;
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++)
            known = known || strcmp(o->train.items[i], parts[k]) == 0;
        if (!known)
            usage_error("--train: '%s' is not one of query, qformer, projection, lora-vision, lora-llm", o->train.items[i]);
    }
}

void learner_options_check(const LearnerOptions *o)
{
    check_parts(o);
    const bool critic = o->critic_warmup > 0 || o->value_updates > 1 || o->value_normalise;
    if (critic && (o->objective == OBJECTIVE_XE || o->baseline != BASELINE_VALUE))
        usage_error("--critic-warmup, --value-updates and --value-normalise need --baseline value");
    if (o->block > 0 && o->gradient_parts > 1)
        usage_error("--gradient-parts compares gradients in floating point: --block 0");
    if (o->objective == OBJECTIVE_XE && (o->entropy_weight != 0 || o->kl_weight > 0 || o->report_kl))
        usage_error("--entropy-weight, --kl-weight and --report-kl cannot be used with --objective xe");
}
