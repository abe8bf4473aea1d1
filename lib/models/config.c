/* Reading config.json; see config.h. The defaults are those of transformers' configuration classes. */
#include "models/config.h"

#include <stdlib.h>

#include "models/config_fields.h"
#include "models/language.h"

json_t *config_json(const char *folder, char **path, Error *err)
{
    *path = path_join(folder, "config.json");
    return json_file_read(*path, err);
}

bool config_eos(int32_t *eos, const char *folder, Error *err)
{
    char *path = path_join(folder, "generation_config.json");
    bool there, ok = path_exists(path, &there, err);
    if (ok && there) {
        json_t *root = json_file_read(path, err);
        ConfigFields f = {.first = root, .what = "generation_config", .err = err, .ok = root != NULL};
        if (root)
            *eos = config_id(&f, "eos_token_id", *eos);
        ok = f.ok;
        json_decref(root);
    }
    free(path);
    return ok;
}

bool lm_config_read(LmConfig *out, bool *inside, const char *folder, Error *err)
{
    char *path;
    json_t *root = config_json(folder, &path, err);
    bool ok = root != NULL;
    if (ok) {
        *inside = json_is_object(json_object_get(root, "text_config"));
        ConfigFields whole = {.first = root, .what = "config", .err = err, .ok = true};
        ok = language_config(out, *inside ? config_fields(root, "text_config", err) : whole);
        if (!ok)
            error_prefix(err, "%s", path);
    }
    json_decref(root);
    free(path);
    return ok;
}
