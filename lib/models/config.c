/* Reading config.json; see config.h. The defaults are those of transformers' configuration classes. */
#include "models/config.h"

#include <stdlib.h>
#include <string.h>

#include "models/config_fields.h"
#include "models/language.h"

json_t *config_json(const char *folder, char **path, Error *err)
{
    *path = path_join(folder, "config.json");
    return json_file_read(*path, err);
}

/* Whether the id is what ends a turn of Llama 3's chats, by the names in tokenizer_config.json. */
static bool ends_turn(const json_t *names, int32_t id)
{
    char key[16];
    snprintf(key, sizeof key, "%d", (int)id);
    const char *name =
        json_string_value(json_object_get(json_object_get(json_object_get(names, "added_tokens_decoder"), key), "content"));
    return name && strcmp(name, "<|eot_id|>") == 0;
}

/* Of several ids that of <|eot_id|> goes first, where they have it: it is what Llama 3's chats end with. */
static bool put_turn_first(EosIds *eos, const char *folder, Error *err)
{
    json_t *names = NULL;
    if (eos->n > 1 && !config_tokenizer(&names, folder, err))
        return false;
    for (size_t i = 1; i < eos->n; i++)
        if (ends_turn(names, eos->ids[i])) {
            const int32_t first = eos->ids[0];
            eos->ids[0] = eos->ids[i];
            eos->ids[i] = first;
        }
    json_decref(names);
    return true;
}

bool config_eos(EosIds *eos, const char *folder, Error *err)
{
    char *path = path_join(folder, "generation_config.json");
    bool there, ok = path_exists(path, &there, err);
    if (ok && there) {
        json_t *root = json_file_read(path, err);
        ConfigFields f = {.first = root, .what = "generation_config", .err = err, .ok = root != NULL};
        if (root)
            *eos = config_eos_ids(&f, *eos);
        ok = f.ok && put_turn_first(eos, folder, err);
        json_decref(root);
    }
    free(path);
    return ok;
}

/* The language model that a captioner has whose text_config names none, as transformers takes it. */
static const char *usual_language(const json_t *root)
{
    static const char *const with_llama[] = {"llava", "smolvlm", "idefics3"};
    const char *type = json_string_value(json_object_get(root, "model_type"));
    for (size_t i = 0; type && i < sizeof with_llama / sizeof *with_llama; i++)
        if (strcmp(type, with_llama[i]) == 0)
            return "llama";
    return "opt";
}

bool lm_config_read(LmConfig *out, bool *inside, const char *folder, Error *err)
{
    char *path;
    json_t *root = config_json(folder, &path, err);
    bool ok = root != NULL;
    if (ok) {
        *inside = json_is_object(json_object_get(root, "text_config"));
        ConfigFields whole = {.first = root, .what = "config", .err = err, .ok = true};
        ok = language_config(out, *inside ? config_fields(root, "text_config", err) : whole, usual_language(root));
        if (!ok)
            error_prefix(err, "%s", path);
    }
    json_decref(root);
    free(path);
    return ok;
}
