/* What a model folder holds; see kind.h. */
#include "models/kind.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "models/captioner.h"

static const struct {
    const char *architecture, *type, *said;
} kinds[] = {
    [MODEL_ITM] = {"Blip2ForImageTextRetrieval", "blip-2", "a BLIP-2 image-text matching model"},
    [MODEL_CLIP] = {"CLIPModel", "clip", "a CLIP"},
    [MODEL_LANGUAGE] = {"OPTForCausalLM", "opt", "a language model"},
};

enum { KINDS = sizeof kinds / sizeof kinds[0] };

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
    for (int k = 0; k < KINDS; k++)
        if (same(architecture, kinds[k].architecture))
            return (ModelKind)k == expected;
    if (architecture && captioner_said(architecture)) /* its language model serves as one */
        return expected == MODEL_LANGUAGE;
    return !type || (expected == MODEL_LANGUAGE ? !same(type, kinds[MODEL_CLIP].type) : same(type, kinds[expected].type));
}

const char *model_kind_said(const char *architecture, const char *type)
{
    const char *captioner = architecture ? captioner_said(architecture) : NULL;
    if (captioner)
        return captioner;
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
    const char *type = json_string_value(json_object_get(root, "model_type")), *said = model_kind_said(architecture, type);
    bool ok = fits(architecture, type, expected);
    if (!ok)
        error_set_status(err, STATUS_MISMATCH, "%s: found %s (%.64s), expected %s (%s)", path,
                         said ? said : "another kind of model", architecture ? architecture : type, kinds[expected].said,
                         kinds[expected].architecture);
    json_decref(root);
    free(path);
    return ok;
}
