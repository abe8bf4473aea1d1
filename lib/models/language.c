/* Which family a language model is of, and one in a folder of its own; see language.h. */
#include "models/language.h"

#include <stdlib.h>
#include <string.h>

#include "models/kind.h"

static const LanguageFamily *const families[] = {&opt_family, &llama_family, &blip_text_family};
enum { N_FAMILIES = sizeof families / sizeof *families };

/* The family with this model_type; NULL with the known ones in `known`. */
static const LanguageFamily *family_find(const char *model_type, char *known, size_t size)
{
    size_t used = 0;
    known[0] = '\0';
    for (size_t i = 0; i < N_FAMILIES; i++)
        for (const char *const *type = families[i]->model_types; *type; type++) {
            if (strcmp(*type, model_type) == 0)
                return families[i];
            int n = snprintf(known + used, size - used, "%s\"%s\"", used ? ", " : "a language model of the kinds ", *type);
            used += n > 0 && (size_t)n < size - used ? (size_t)n : 0;
        }
    return NULL;
}

bool language_knows(const char *model_type)
{
    char known[128];
    return model_type && family_find(model_type, known, sizeof known);
}

bool language_config(LmConfig *out, ConfigFields f, const char *fallback)
{
    char known[128];
    const json_t *type = config_field(&f, "model_type");
    const char *model_type = !type || json_is_null(type) ? fallback : json_string_value(type);
    const LanguageFamily *family = model_type ? family_find(model_type, known, sizeof known) : NULL;
    *out = (LmConfig){0};
    if (!family) {
        config_fail(&f, "model_type", model_type ? known : "a text");
        return false;
    }
    family->read(out, &f, model_type);
    out->family = family;
    if (f.ok && (size_t)out->bos >= out->vocabulary)
        config_fail(&f, "bos_token_id", "an id of the vocabulary");
    return f.ok;
}

static const char embedding[] = "embed_tokens.weight";

/* Where the body of the model lies, by the one embedding that the folder has: "model", "" or "language_model.model.decoder";
 * where there is none, where the family's usually does. The caller frees it. */
static char *body_find(const LmConfig *config, bool inside, const Checkpoint *checkpoint)
{
    for (size_t i = 0; i < checkpoint_count(checkpoint); i++) {
        const char *name = checkpoint_get(checkpoint, i)->name;
        size_t n = strlen(name), end = strlen(embedding);
        if (n >= end && strcmp(name + n - end, embedding) == 0)
            return xstrndup(name, n > end ? n - end - 1 : 0);
    }
    return xasprintf("%s%s", inside ? "language_model." : "", config->family->bodies[0]);
}

static void bind_body(LanguageModel *m, LmConfig *config, bool inside)
{
    char *body = body_find(config, inside, m->checkpoint);
    m->within = !inside ? "" : strncmp(body, "language_model.", 15) == 0 ? "language_model." : "model.text_model.";
    const char *head = strcmp(m->within, "language_model.") == 0 ? "language_model.lm_head" : "lm_head";
    char *weight = xasprintf("%s.weight", head);
    if (!checkpoint_find(m->checkpoint, weight)) /* whatever the file says of tying: there is nothing else */
        config->tied = true;
    lm_bind(&m->lm, &m->binder, config, body, head);
    free(weight);
    free(body);
}

LanguageModel *language_model_open(const char *folder, const Kernels *kernels, Error *err)
{
    LmConfig config;
    bool inside;
    if (!model_kind_check(folder, MODEL_LANGUAGE, err) || !lm_config_read(&config, &inside, folder, err))
        return NULL;
    if (config.memory > 0) {
        error_set_status(
            err, STATUS_MISMATCH,
            "%s: its language model attends to an image, expected one that reads text alone: --ref MODEL, or --no-ref", folder);
        return NULL;
    }
    Checkpoint *checkpoint = checkpoint_open(folder, err);
    if (!checkpoint)
        return NULL;
    LanguageModel *m = xcalloc(1, sizeof *m);
    m->checkpoint = checkpoint;
    binder_init(&m->binder, kernels, checkpoint);
    bind_body(m, &config, inside);
    if (binder_ok(&m->binder, err))
        return m;
    language_model_free(m);
    return NULL;
}

LanguageModel *language_model_new(const LmConfig *config, const Kernels *kernels)
{
    LanguageModel *m = xcalloc(1, sizeof *m);
    binder_init(&m->binder, kernels, NULL);
    lm_bind(&m->lm, &m->binder, config, config->family->bodies[0], "lm_head");
    return m;
}

void language_model_free(LanguageModel *m)
{
    if (!m)
        return;
    lm_release(&m->lm);
    binder_release(&m->binder);
    checkpoint_free(m->checkpoint);
    free(m);
}

uint64_t language_model_digest(const LanguageModel *m)
{
    const char *const parts[] = {m->within, "lm_head."};
    const size_t n = !*m->within ? 0 : strcmp(m->within, "language_model.") == 0 ? 1 : 2;
    return checkpoint_digest(m->checkpoint, parts, n);
}
