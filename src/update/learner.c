/* Building the learner: models, trained parts, adapters, value head; see learner.h. The passes are in step.c. */
#include "update/learner.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "stage/prompt.h"

const char *const learner_groups[LEARNER_GROUPS] = {"query",    "qformer",    "projection", "lora-vision",
                                                    "lora-llm", "value-head", "value-lora"};

bool reference_wanted(const LearnerOptions *o)
{
    return o->kl_weight > 0 || o->report_kl;
}

static bool trains(const LearnerOptions *o, const char *part)
{
    for (size_t i = 0; i < o->train.count; i++)
        if (strcmp(o->train.items[i], part) == 0)
            return true;
    return false;
}

/* The parts of the policy that are tensors of the captioner. */
static bool train_parts(Learner *l, Error *err)
{
    for (const CaptionerPart *part = l->captioner->family->parts; part->name; part++)
        if (trains(&l->options, part->name) && parameters_train(&l->policy, part->name, &l->captioner->binder, part->prefix) == 0)
            return error_set(err, "%s has no tensors %s to train", l->options.model, part->prefix);
    return true;
}

/* The ablations of section 4.1: adapters of the policy itself, apart from those of the value pass. */
static bool train_policy_adapters(Learner *l, Error *err)
{
    const LearnerOptions *o = &l->options;
    const CaptionerFamily *family = l->captioner->family;
    bool vision = trains(o, "lora-vision"), llm = trains(o, "lora-llm");
    if (!vision && !llm)
        return true;
    l->train_vision = vision;
    l->policy_lora = lora_new(&l->captioner->binder, ADAPTER_POLICY);
    return (!vision || lora_train(l->policy_lora, &l->policy, "lora-vision", family->vision, o->vision_targets.items,
                                  o->vision_targets.count, (size_t)o->lora_rank, o->lora_alpha, (uint64_t)o->seed, err)) &&
           (!llm || lora_train(l->policy_lora, &l->policy, "lora-llm", family->language, o->lora_targets.items,
                               o->lora_targets.count, (size_t)o->lora_rank, o->lora_alpha, (uint64_t)o->seed, err));
}

/* Only where the value head is what returns are compared with. */
static bool train_value(Learner *l, Error *err)
{
    const LearnerOptions *o = &l->options;
    if (o->objective == OBJECTIVE_XE || o->baseline != BASELINE_VALUE)
        return true;
    l->value_lora = lora_new(&l->captioner->binder, ADAPTER_VALUE);
    for (const CaptionerPart *part = l->captioner->family->parts; part->name; part++)
        lora_leave(l->value_lora, part->prefix); /* to the value an image's rows are what the policy made of them */
    l->head = value_head_new(o->value_head, l->captioner->lm.config.hidden, &l->value, (uint64_t)o->seed, err);
    return l->head && lora_train(l->value_lora, &l->value, "value-lora", l->captioner->family->language, o->lora_targets.items,
                                 o->lora_targets.count, (size_t)o->lora_rank, o->lora_alpha, (uint64_t)o->seed, err);
}

Learner *learner_new(const LearnerOptions *options, const Kernels *kernels, Error *err)
{
    Learner *l = xcalloc(1, sizeof *l);
    l->options = *options;
    if (!(options->value_learning_rate > 0))
        l->options.value_learning_rate = options->learning_rate;
    l->memory = (size_t)options->memory << 20;
    l->kernels = kernels;
    l->captioner = captioner_open(options->model, kernels, err);
    if (!l->captioner) {
        free(l);
        return NULL;
    }
    l->tape = tape_new(kernels);
    parameters_init(&l->policy, kernels);
    parameters_init(&l->value, kernels);
    if (!options->count_only) {
        l->base = digest_text(checkpoint_digest(l->captioner->checkpoint, NULL, 0));
        l->encoder = digest_text(captioner_encoder_digest(l->captioner));
    }
    bool ok = captioner_cut(l->captioner, options->tiles, err) &&
              prompt_set_from(l->captioner, options->model, options->prompt, err) && train_parts(l, err);
    if (ok && reference_wanted(options))
        reference_keep(&l->reference, &l->policy);
    if (!ok || !train_policy_adapters(l, err) || !train_value(l, err)) {
        learner_free(l);
        return NULL;
    }
    checkpoint_forget(l->captioner->checkpoint); /* where trained parts were copied from */
    if (!options->count_only) {
        parameters_moments(&l->policy);
        parameters_moments(&l->value);
    }
    return l;
}

void learner_describe(const Learner *l)
{
    for (size_t i = 0; i < LEARNER_GROUPS; i++) {
        size_t n = parameters_count(&l->policy, learner_groups[i]) + parameters_count(&l->value, learner_groups[i]);
        if (n > 0)
            note("%s: %zu parameters", learner_groups[i], n);
    }
    note("policy: %zu parameters, value: %zu", parameters_count(&l->policy, NULL), parameters_count(&l->value, NULL));
}

void learner_free(Learner *l)
{
    if (!l)
        return;
    value_head_free(l->head);
    lora_free(l->policy_lora);
    lora_free(l->value_lora);
    reference_release(&l->reference, l->kernels);
    fixed_release(&l->policy_sum, l->kernels);
    fixed_release(&l->value_sum, l->kernels);
    parameters_release(&l->policy);
    parameters_release(&l->value);
    tape_free(l->tape);
    captioner_free(l->captioner);
    free(l);
}
