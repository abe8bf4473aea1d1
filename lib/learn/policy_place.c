/* What a path given as a policy is; see policy_place.h. */
#include "learn/policy_place.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "base/steps.h"
#include "learn/policy.h"

/* Whether `name` is in the folder. */
static bool has(const char *folder, const char *name)
{
    Error none = {0};
    bool there = false;
    char *path = path_join(folder, name);
    bool known = path_exists(path, &there, &none);
    free(path);
    return known && there;
}

/* The path without slashes at its end; *name: where its last part begins. The caller frees it. */
static char *path_trim(const char *path, const char **name)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/')
        n--;
    char *trimmed = xstrndup(path, n);
    const char *slash = strrchr(trimmed, '/');
    *name = slash ? slash + 1 : trimmed;
    return trimmed;
}

static char *path_above(const char *path)
{
    const char *name;
    char *trimmed = path_trim(path, &name);
    char *above = name == trimmed ? xstrdup(".") : xstrndup(trimmed, name - trimmed > 1 ? (size_t)(name - trimmed - 1) : 1);
    free(trimmed);
    return above;
}

static PolicyPlace is_run(const char *path, Error *err)
{
    error_set(err,
              "%s is a run's folder, expected that of its policies: %s/policy to follow them, %s/policy/latest for the newest",
              path, path, path);
    return POLICY_NONE;
}

/* A folder with a config.json: one policy's, a run's, a model's. */
static PolicyPlace with_config(const char *path, Error *err)
{
    char *config = path_join(path, "config.json");
    json_t *root = json_file_read(config, err);
    const char *architecture = json_string_value(json_array_get(json_object_get(root, "architectures"), 0));
    PolicyPlace place = root && json_is_integer(json_object_get(root, "step")) ? POLICY_ONE : POLICY_NONE;
    if (root && place == POLICY_NONE && (json_object_get(root, "digests") || has(path, "policy")))
        place = is_run(path, err);
    else if (root && place == POLICY_NONE)
        error_set(err, "%s: found %s%s, expected that of a policy: RUN/policy/step-NNNNNN", config,
                  architecture ? "the configuration of a model, " : "no step in it", architecture ? architecture : "");
    json_decref(root);
    free(config);
    return place;
}

/* What is not there, or an empty folder: what it was meant to be. */
static PolicyPlace not_there(const char *path, const char *name, Error *err)
{
    int64_t newest = -1;
    Error none = {0};
    char *above = path_above(path);
    if (step_number(name) < 0 && strcmp(name, "latest") != 0)
        error_set(err, "%s %s, expected RUN/policy of a run, or one policy of it, RUN/policy/step-NNNNNN", path,
                  has(path, ".") ? "holds no policy" : "is not there");
    else if (policy_latest(above, &newest, &none) && newest >= 0)
        error_set(err, "%s is not there: the newest policy in %s is step %lld", path, above, (long long)newest);
    else
        error_set(err, "%s is not there: no policy is published in %s", path, above);
    free(above);
    return POLICY_NONE;
}

PolicyPlace policy_place(const char *path, Error *err)
{
    int64_t newest = -1;
    const char *name;
    Error none = {0};
    PolicyPlace place;
    char *trimmed = path_trim(path, &name);
    if (has(trimmed, "config.json"))
        place = with_config(trimmed, err);
    else if ((policy_latest(trimmed, &newest, &none) && newest >= 0) || none.text[0] || strcmp(name, "policy") == 0)
        place = POLICY_PUBLISHED; /* a broken `latest` is told by whoever follows it */
    else if (has(trimmed, "policy") || has(trimmed, "update.lock"))
        place = is_run(trimmed, err);
    else
        place = not_there(trimmed, name, err);
    free(trimmed);
    return place;
}

char *policy_run(const char *path)
{
    return path_above(path);
}
