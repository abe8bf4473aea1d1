/* What a model folder holds; see kind.h. */
#include "models/kind.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "models/captioner.h"

static const struct {
    ModelKind kind;
    const char *architecture, *type, *said;
} known[] = {
    {MODEL_ITM, "Blip2ForImageTextRetrieval", "blip-2", "a BLIP-2 image-text matching model"},
    {MODEL_ITM, "BlipForImageTextRetrieval", "blip", "a BLIP image-text matching model"},
    {MODEL_SCORER, "CLIPModel", "clip", "a CLIP"},
    {MODEL_SCORER, "SiglipModel", "siglip", "a SigLIP"},
    {MODEL_LANGUAGE, "OPTForCausalLM", "opt", "a language model"},
};

enum { KNOWN = sizeof known / sizeof known[0] };

static bool same(const char *a, const char *b)
{
    return a && strcmp(a, b) == 0;
}

static bool has_type(ModelKind kind, const char *type)
{
    for (int k = 0; k < KNOWN; k++)
        if (known[k].kind == kind && same(type, known[k].type))
            return true;
    return false;
}

/*
 * Whether the names found may be those of the kind expected; an architecture that nobody here knows is judged by its type. Which
 * language models there are, the reader of their configurations says.
 */
static bool fits(const char *architecture, const char *type, ModelKind expected)
{
    for (int k = 0; k < KNOWN; k++)
        if (same(architecture, known[k].architecture))
            return known[k].kind == expected;
    if (architecture && captioner_said(architecture)) /* its language model serves as one */
        return expected == MODEL_LANGUAGE;
    return !type || (expected == MODEL_LANGUAGE ? !has_type(MODEL_SCORER, type) : has_type(expected, type));
}

const char *model_kind_said(const char *architecture, const char *type)
{
    const char *captioner = architecture ? captioner_said(architecture) : NULL;
    if (captioner)
        return captioner;
    for (int k = 0; k < KNOWN; k++)
        if (same(architecture, known[k].architecture))
            return known[k].said;
    for (int k = 0; k < KNOWN; k++)
        if (known[k].kind >= MODEL_SCORER && same(type, known[k].type))
            return known[k].said;
    return NULL;
}

/* "a CLIP (CLIPModel) or a SigLIP (SiglipModel)" */
static void expected_said(char *out, size_t size, ModelKind expected)
{
    size_t used = 0;
    for (int k = 0; k < KNOWN; k++) {
        if (known[k].kind != expected)
            continue;
        int n = snprintf(out + used, size - used, "%s%s (%s)", used ? " or " : "", known[k].said, known[k].architecture);
        used += n > 0 && (size_t)n < size - used ? (size_t)n : 0;
    }
}

bool model_kind_check(const char *folder, ModelKind expected, Error *err)
{
    Error unread = {0};
    char *path = path_join(folder, "config.json"), wanted[256];
    json_t *root = json_file_read(path, &unread);
    const char *architecture = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    const char *type = json_string_value(json_object_get(root, "model_type")), *said = model_kind_said(architecture, type);
    bool ok = fits(architecture, type, expected);
    if (!ok) {
        expected_said(wanted, sizeof wanted, expected);
        error_set_status(err, STATUS_MISMATCH, "%s: found %s (%.64s), expected %s", path, said ? said : "another kind of model",
                         architecture ? architecture : type, wanted);
    }
    json_decref(root);
    free(path);
    return ok;
}

char *model_kinds_known(void)
{
    char *all = captioner_known();
    for (int k = 0; k < KNOWN; k++) {
        char *longer = xasprintf("%s, %s", all, known[k].architecture);
        free(all);
        all = longer;
    }
    return all;
}
