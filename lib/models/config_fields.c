/* Fields of a config.json, one at a time; see config_fields.h. */
#include "models/config_fields.h"

#include <limits.h>
#include <string.h>

const json_t *config_field(const ConfigFields *f, const char *name)
{
    const json_t *v = json_object_get(f->first, name);
    return v && !json_is_null(v) ? v : json_object_get(f->second, name);
}

void config_fail(ConfigFields *f, const char *name, const char *expected)
{
    const json_t *v = config_field(f, name);
    char *found = json_dumps(v, JSON_ENCODE_ANY | JSON_COMPACT);
    f->ok = error_set(f->err, "%s.%s is %.64s, expected %s", f->what, name, found ? found : "?", expected);
    free(found);
}

size_t config_size(ConfigFields *f, const char *name, size_t fallback)
{
    const json_t *v = config_field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (json_is_integer(v) && json_integer_value(v) > 0 && json_integer_value(v) <= 1 << 24)
        return (size_t)json_integer_value(v);
    config_fail(f, name, "a number from 1 to 16777216");
    return fallback;
}

/* An id, or the first of a list of ids (generation_config's eos_token_id may be one). */
int32_t config_id(ConfigFields *f, const char *name, int32_t fallback)
{
    const json_t *v = config_field(f, name);
    if (json_is_array(v))
        v = json_array_get(v, 0);
    if (!v || json_is_null(v))
        return fallback;
    if (json_is_integer(v) && json_integer_value(v) >= 0 && json_integer_value(v) <= INT32_MAX)
        return (int32_t)json_integer_value(v);
    config_fail(f, name, "a token id");
    return fallback;
}

double config_real(ConfigFields *f, const char *name, double fallback)
{
    const json_t *v = config_field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (json_is_number(v) && json_number_value(v) > 0)
        return json_number_value(v);
    config_fail(f, name, "a number above 0");
    return fallback;
}

bool config_flag(ConfigFields *f, const char *name, bool fallback)
{
    const json_t *v = config_field(f, name);
    if (!v || json_is_null(v))
        return fallback;
    if (!json_is_boolean(v))
        config_fail(f, name, "true or false");
    return json_is_true(v);
}

/* A field that must have one value; what the file leaves out has the value `fallback`. */
void config_expect_text(ConfigFields *f, const char *name, const char *fallback, const char *expected)
{
    const json_t *v = config_field(f, name);
    const char *found = !v || json_is_null(v) ? fallback : json_string_value(v);
    if (!found || strcmp(found, expected) != 0) {
        char text[64];
        snprintf(text, sizeof text, "\"%s\"%s", expected, v ? "" : " (a missing one means something else)");
        config_fail(f, name, text);
    }
}

void config_expect_flag(ConfigFields *f, const char *name, bool fallback, bool expected)
{
    if (config_flag(f, name, fallback) != expected)
        config_fail(f, name, expected ? "true" : "false");
}

void config_expect_multiple(ConfigFields *f, const char *what, size_t a, const char *by, size_t b)
{
    if (f->ok && a % b != 0)
        f->ok = error_set(f->err, "%s: %s %zu is not a multiple of %s %zu", f->what, what, a, by, b);
}

ConfigFields config_fields(const json_t *root, const char *name, Error *err)
{
    char dict[64];
    snprintf(dict, sizeof dict, "%s_dict", name);
    return (ConfigFields){
        .first = json_object_get(root, dict), .second = json_object_get(root, name), .what = name, .err = err, .ok = true};
}

void config_three(ConfigFields *f, const char *name, double least, double out[3])
{
    const json_t *list = config_field(f, name);
    if (!list || json_is_null(list))
        return;
    for (size_t i = 0; i < 3; i++) {
        const json_t *v = json_array_get(list, i);
        if (json_array_size(list) != 3 || !json_is_number(v) || !(json_number_value(v) > least)) {
            config_fail(f, name, least < 0 ? "three numbers" : "three numbers above 0");
            return;
        }
        out[i] = json_number_value(v);
    }
}

bool config_file(json_t **root, const char *folder, const char *name, bool needed, Error *err)
{
    char *path = path_join(folder, name);
    bool there = true, ok = needed || path_exists(path, &there, err);
    *root = ok && there ? json_file_read(path, err) : NULL;
    free(path);
    return ok && (*root || !there);
}
