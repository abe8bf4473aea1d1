/* What a model folder holds; see kind.h. */
#include "models/kind.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"

static const struct {
    const char *architecture, *type, *said;
} kinds[] = {
    [MODEL_CAPTIONER] = {"Blip2ForConditionalGeneration", "blip-2", "a BLIP-2 captioner"},
    [MODEL_ITM] = {"Blip2ForImageTextRetrieval", "blip-2", "a BLIP-2 image-text matching model"},
    [MODEL_CLIP] = {"CLIPModel", "clip", "a CLIP"},
    [MODEL_LANGUAGE] = {"OPTForCausalLM", "opt", "a language model"},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

/* A captioner's language model serves as one. */
static bool serves(ModelKind is, ModelKind expected)
{
    return is == expected || (is == MODEL_CAPTIONER && expected == MODEL_LANGUAGE);
}

static bool same(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

/*
 * Whether the names found may be those of the kind expected; an architecture that nobody here knows is judged by its type. Which
 * language models there are, the reader of their configurations says.
 */
static bool fits(const char *architecture, const char *type, ModelKind expected)
{
    bool fits = (!architecture && !type) || (expected == MODEL_LANGUAGE && !same(type, kinds[MODEL_CLIP].type));
    for (int k = 0; k < KINDS; k++)
        if (same(architecture, kinds[k].architecture))
            return serves((ModelKind)k, expected);
    for (int k = 0; k < KINDS; k++)
        fits = fits || (serves((ModelKind)k, expected) && (!type || same(type, kinds[k].type)));
    return fits;
}

/* "a CLIP", or NULL for what nobody here knows. */
static const char *found_said(const char *architecture, const char *type)
{
    for (int k = 0; k < KINDS; k++)
        if (same(architecture, kinds[k].architecture))
            return kinds[k].said;
    for (int k = MODEL_CLIP; k < KINDS; k++)
        if (same(type, kinds[k].type))
            return kinds[k].said;
    return NULL;
}

bool model_kind_check(const char *folder, ModelKind expected, Error *err)
{
    Error unread = {0};
    char *path = path_join(folder, "config.json");
    json_t *root = json_file_read(path, &unread);
    const char *architecture = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    const char *type = json_string_value(json_object_get(root, "model_type")), *said = found_said(architecture, type);
    bool ok = fits(architecture, type, expected);
    if (!ok)
        error_set_status(err, STATUS_MISMATCH, "%s: found %s (%.64s), expected %s (%s)", path,
                         said ? said : "another kind of model", architecture ? architecture : type, kinds[expected].said,
                         kinds[expected].architecture);
    json_decref(root);
    free(path);
    return ok;
}
