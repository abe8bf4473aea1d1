/* What of the learner's options goes together; see learner_options.h. */
#include "update/learner_options.h"

#include <stdlib.h>
#include <string.h>

#include "models/language.h"

/* Parts that every family has. */
static const char *const adapters[] = {"lora-vision", "lora-llm", NULL};

static bool is_one_of(const char *name, const char *const *names)
{
    while (*names && strcmp(*names, name) != 0)
        names++;
    return *names != NULL;
}

static void check_parts(const LearnerOptions *o)
{
    for (size_t i = 0; i < o->train.count; i++)
        if (!is_one_of(o->train.items[i], captioner_part_names) && !is_one_of(o->train.items[i], adapters))
            usage_error("--train: '%s' is not one of query, qformer, projection, lora-vision, lora-llm", o->train.items[i]);
}

/* An empty list becomes these names, the last NULL. */
static void list_default(StringList *list, const char *const *names)
{
    if (list->count > 0)
        return;
    while (names[list->count])
        list->count++;
    list->items = xmalloc((list->count + 1) * sizeof *list->items);
    memcpy(list->items, names, list->count * sizeof *list->items);
}

/* Whether the family has every part that is to be trained; all of its own where none is named. */
static bool complete_parts(LearnerOptions *o, const CaptionerFamily *family, Error *err)
{
    const char *own[8] = {NULL};
    for (size_t i = 0; family->parts[i].name; i++)
        own[i] = family->parts[i].name;
    list_default(&o->train, own);
    for (size_t i = 0; i < o->train.count; i++)
        if (!is_one_of(o->train.items[i], own) && !is_one_of(o->train.items[i], adapters))
            return error_set_status(err, STATUS_MISMATCH, "--train %s: %s is %s, which has no such part; its first is %s",
                                    o->train.items[i], o->model, family->said, own[0]);
    return true;
}

bool learner_options_complete(LearnerOptions *o, Error *err)
{
    LmConfig language;
    bool inside;
    const CaptionerFamily *family = captioner_family(o->model, err);
    if (!family || !complete_parts(o, family, err) || !lm_config_read(&language, &inside, o->model, err))
        return false;
    list_default(&o->lora_targets, language.family->targets);
    list_default(&o->vision_targets, family->vision_targets);
    return true;
}

void learner_options_check(const LearnerOptions *o)
{
    check_parts(o);
    const bool critic = o->critic_warmup > 0 || o->value_updates > 1 || o->value_normalise;
    if (critic && (o->objective == OBJECTIVE_XE || o->baseline != BASELINE_VALUE))
        usage_error("--critic-warmup, --value-updates and --value-normalise need --baseline value");
    if (o->objective == OBJECTIVE_XE && (o->entropy_weight != 0 || o->kl_weight > 0 || o->report_kl))
        usage_error("--entropy-weight, --kl-weight and --report-kl cannot be used with --objective xe");
}
