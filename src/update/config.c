/* What a run is; see config.h. */
#include "update/config.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json_file.h"
#include "stage/frame.h"

/* 1 is 1.0: a stream that has been JSON on its way (jq) has lost the difference. */
static bool same_value(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

/* One option that differs; `of` says whose. */
static bool differs(const char *run, const char *of, const char *key, const json_t *before, const json_t *now, bool allowed,
                    Error *err)
{
    char *was = json_dumps(before, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6)),
         *is = json_dumps(now, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
    if (allowed)
        warn("%s: --%s%s changes from %s to %s", run, key, of, was ? was : "nothing", is);
    else
        error_set_status(err, STATUS_MISMATCH,
                         "%s: --%s%s is %s, expected %s as in the steps before; give the run's own options, or --change-options",
                         run, key, of, is, was ? was : "none");
    free(was);
    free(is);
    return allowed;
}

bool config_agrees(const json_t *before, const json_t *now, const char *run, bool allowed, Error *err)
{
    const char *key;
    json_t *value;
    bool ok = true;
    json_object_foreach ((json_t *)(uintptr_t)now, key, value) {
        const json_t *old = json_object_get(before, key);
        ok = ok && (same_value(value, old) || differs(run, "", key, old, value, allowed, err));
    }
    return ok;
}

/* Options of the stages before us that leave numbers alone: the machine, where files lie, when to end. */
static bool harmless(const char *key)
{
    static const char *const keys[] = {"threads", "device", "jobs",   "zstd",         "decode-batch", "score-batch",
                                       "model",   "policy", "spool",  "spool-memory", "limit",        "journal",
                                       "resume",  "retry",  "append", "list",         "deadline",     "sandbox"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (strcmp(key, keys[i]) == 0)
            return true;
    return false;
}

/* One stage's header against what is known of that stage. */
static bool stage_agrees(const json_t *known, const json_t *header, const char *run, bool allowed, Error *err)
{
    const char *key, *stage = json_string_value(json_object_get(header, "stage"));
    json_t *value, *params = json_object_get(header, "params");
    char *of = xasprintf(" of %s", stage ? stage : "nobody");
    bool ok = true;
    json_object_foreach (params, key, value) {
        const json_t *old = stage ? header_param(known, stage, key) : NULL;
        ok = ok && (!old || harmless(key) || same_value(value, old) || differs(run, of, key, old, value, allowed, err));
    }
    free(of);
    return ok;
}

/* The "upstream" that config.json has (a new reference); NULL where there is none. */
static bool upstream_known(const char *run, json_t **upstream, Error *err)
{
    char *path = path_join(run, "config.json");
    json_t *config = access(path, F_OK) == 0 ? json_file_read(path, err) : NULL;
    *upstream = json_incref(json_object_get(config, "upstream"));
    json_decref(config);
    free(path);
    return !err->text[0];
}

bool config_upstream_agrees(const json_t *upstream, const char *run, bool allowed, Error *err)
{
    json_t *known;
    bool ok = upstream_known(run, &known, err);
    for (const json_t *header = upstream; header && ok; header = json_object_get(header, "upstream"))
        ok = stage_agrees(known, header, run, allowed, err);
    json_decref(known);
    return ok;
}

bool config_write(const char *run, const Learner *l, json_t *options, const char *init, const json_t *upstream, Error *err)
{
    json_t *known, *digests = json_object();
    bool ok = upstream_known(run, &known, err);
    if (upstream) {
        json_decref(known);
        known = json_deep_copy(upstream);
    }
    json_object_set_new(digests, "base", json_string(l->base));
    json_object_set_new(digests, "encoder", json_string(l->encoder));
    json_object_set_new(digests, "init", *init ? json_string(init) : json_null());
    json_object_set_new(options, "digests", digests);
    json_object_set_new(options, "version", json_string(VLRM_VERSION));
    if (known)
        json_object_set_new(options, "upstream", known);
    ok = ok && json_file_write(run, "config.json", options, err);
    json_decref(options);
    return ok;
}
