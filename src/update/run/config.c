/* What a run is; see config.h. */
#include "update/run/config.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_file.h"
#include "stage/inputs.h"

/* 1 is 1.0: a stream that has been JSON on its way (jq) has lost the difference. b NULL: what an earlier version had no option
 * for, which is as if none were given. */
static bool same_value(const json_t *a, const json_t *b)
{
    if (!b)
        return json_is_null(a);
    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

/* ---- config.json as it is ---- */

/* What RUN/config.json has under a key (a new reference); NULL where there is none. */
static bool config_read(const char *run, const char *key, json_t **value, Error *err)
{
    char *path = path_join(run, "config.json");
    bool there, ok = path_exists(path, &there, err);
    json_t *config = ok && there ? json_file_read(path, err) : NULL;
    *value = json_incref(json_object_get(config, key));
    ok = ok && (!there || config);
    json_decref(config);
    free(path);
    return ok;
}

/* ---- changes ---- */

bool changes_open(Changes *c, const char *run, bool allowed, Error *err)
{
    *c = (Changes){.allowed = allowed};
    if (run && !config_read(run, "changes", &c->list, err))
        return false;
    if (!json_is_array(c->list)) {
        json_decref(c->list);
        c->list = json_array();
    }
    return true;
}

void changes_release(Changes *c)
{
    json_decref(c->list);
    *c = (Changes){0};
}

static int64_t step_of(const json_t *change)
{
    return json_integer_value(json_object_get(change, "step"));
}

void changes_report(const Changes *c, int64_t step, json_t *metrics)
{
    json_t *changed = json_array();
    for (size_t i = 0; i < json_array_size(c->list); i++)
        if (step_of(json_array_get(c->list, i)) == step - 1)
            json_array_append(changed, json_array_get(c->list, i));
    if (json_array_size(changed) > 0)
        json_object_set(metrics, "changed", changed);
    json_decref(changed);
}

static bool same_subject(const json_t *a, const json_t *b)
{
    static const char *const keys[] = {"step", "stage", "option", "input"};
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        const json_t *x = json_object_get(a, keys[k]), *y = json_object_get(b, keys[k]);
        if (x != y && !json_equal(x, y))
            return false;
    }
    return true;
}

/* Takes a change. A run that is started twice before its next step has changed once, or, if changed back, not at all. */
static void changes_add(Changes *c, json_t *change)
{
    for (size_t i = json_array_size(c->list); i-- > 0;)
        if (same_subject(json_array_get(c->list, i), change)) {
            json_object_set(change, "from", json_object_get(json_array_get(c->list, i), "from"));
            json_array_remove(c->list, i);
        }
    if (json_equal(json_object_get(change, "from"), json_object_get(change, "to")))
        json_decref(change);
    else
        json_array_append_new(c->list, change);
}

/* Forgets the changes of our own options that a start before this one made and no step has seen: they are compared anew. */
static void changes_reset(Changes *c, int64_t step)
{
    for (size_t i = json_array_size(c->list); i-- > 0;) {
        const json_t *old = json_array_get(c->list, i), *stage = json_object_get(old, "stage");
        if (step_of(old) == step && json_is_string(stage) && strcmp(json_string_value(stage), "update") == 0)
            json_array_remove(c->list, i);
    }
}

/* ---- comparing ---- */

/* Two things to be compared, and what they are: an option or an input ("itm") of a stage ("update" is ourselves). */
typedef struct Item {
    const char *run, *stage, *name;
    bool input;
    int64_t step;
    const json_t *before, *now; /* NULL: none */
    const char *as;             /* where what was expected is found */
} Item;

static const char in_steps_before[] = "in the steps before";

/* "--gamma of reward", "itm of reward". The caller frees it. */
static char *item_text(const Item *i)
{
    bool ours = strcmp(i->stage, "update") == 0;
    return xasprintf("%s%s%s%s", i->input ? "" : "--", i->name, ours ? "" : " of ", ours ? "" : i->stage);
}

/* "0.5", "digest 0123456789abcdef", "none". The caller frees it. */
static char *value_text(const Item *i, const json_t *value)
{
    if (!value)
        return xstrdup("none");
    if (i->input && json_is_string(value))
        return xasprintf("digest %s", json_string_value(value));
    return json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(6));
}

/* One that differs. */
static bool differs(const Item *i, Changes *changes, Error *err)
{
    char *what = item_text(i), *was = value_text(i, i->before), *is = value_text(i, i->now);
    if (changes->allowed) {
        warn("%s: %s changes from %s to %s", i->run, what, was, is);
        changes_add(changes, json_pack("{s:I, s:s, s:s, s:O?, s:O?}", "step", (json_int_t)i->step, "stage", i->stage,
                                       i->input ? "input" : "option", i->name, "from", i->before, "to", i->now));
    } else {
        error_set_status(err, STATUS_MISMATCH, "%s: %s is %s, expected %s as %s%s%s%s", i->run, what, is, was, i->as,
                         i->as == in_steps_before ? "; give the run's own " : "",
                         i->as != in_steps_before ? ""
                         : i->input               ? "models and lists"
                                                  : "options",
                         i->as == in_steps_before ? ", or --change-options" : "");
    }
    free(what);
    free(was);
    free(is);
    return changes->allowed;
}

bool config_agrees(const json_t *before, const json_t *now, int64_t step, const char *run, Changes *changes, Error *err)
{
    const char *key;
    json_t *value;
    bool ok = true;
    changes_reset(changes, step);
    json_object_foreach ((json_t *)(uintptr_t)now, key, value) {
        Item i = {run, "update", key, false, step, json_object_get(before, key), value, in_steps_before};
        ok = ok && (same_value(value, i.before) || differs(&i, changes, err));
    }
    return ok;
}

/* Whether the stage itself says of this option that numbers do not depend on it. */
static bool says_may_change(const json_t *header, const char *option)
{
    const json_t *names = json_object_get(header, "may_change");
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name && strcmp(name, option) == 0)
            return true;
    }
    return false;
}

static bool options_agree(const json_t *known, const json_t *header, Item item, Changes *changes, Error *err)
{
    const char *key;
    json_t *value, *before = json_object_get(known, "params"), *now = json_object_get(header, "params");
    bool ok = true;
    json_object_foreach (now, key, value) {
        item.name = key;
        item.before = json_object_get(before, key);
        item.now = value;
        ok = ok &&
             (!item.before || says_may_change(header, key) || same_value(value, item.before) || differs(&item, changes, err));
    }
    return ok;
}

/* The policy moves with the steps: each caption's own is checked. A list of sources may grow, as a folder may. */
static bool may_change(const char *role)
{
    return strcmp(role, "policy") == 0 || strcmp(role, "list") == 0;
}

/* Those of `from` against those of the other side; `now`: whether from is what there is now. */
static bool inputs_compare(const json_t *from, const json_t *other, bool now, Item item, Changes *changes, Error *err)
{
    bool ok = true;
    for (size_t i = 0; i < json_array_size(from) && ok; i++) {
        item.name = json_string_value(json_object_get(json_array_get(from, i), "role"));
        if (!item.name || may_change(item.name))
            continue;
        const json_t *mine = inputs_find(from, item.name), *its = inputs_find(other, item.name);
        item.now = now ? mine : its;
        item.before = now ? its : mine;
        ok = (now ? json_equal(mine, its) : its != NULL) || differs(&item, changes, err);
    }
    return ok;
}

/* A stage that said nothing of its inputs before (another program, or an older one) cannot be compared. */
static bool inputs_agree(const json_t *known, const json_t *header, Item item, Changes *changes, Error *err)
{
    const json_t *before = json_object_get(known, "inputs"), *now = json_object_get(header, "inputs");
    item.input = true;
    return json_array_size(before) == 0 ||
           (inputs_compare(now, before, true, item, changes, err) && inputs_compare(before, now, false, item, changes, err));
}

static const char *stage_of(const json_t *header)
{
    const char *stage = json_string_value(json_object_get(header, "stage"));
    return stage ? stage : "nobody";
}

/* The stage in `known` that stands where `header` stands in `upstream`: of those of its name, the one with as many before it. */
static const json_t *counterpart(const json_t *known, const json_t *upstream, const json_t *header)
{
    const char *stage = stage_of(header);
    size_t before = 0;
    for (const json_t *h = upstream; h != header; h = json_object_get(h, "upstream"))
        before += strcmp(stage_of(h), stage) == 0;
    for (; known; known = json_object_get(known, "upstream"))
        if (strcmp(stage_of(known), stage) == 0 && before-- == 0)
            return known;
    return NULL;
}

/* Every stage in `upstream` against the one that stands there in `known`. */
static bool stages_agree(const json_t *known, const json_t *upstream, Item item, Changes *changes, Error *err)
{
    bool ok = true;
    for (const json_t *header = upstream; header && ok; header = json_object_get(header, "upstream")) {
        const json_t *before = counterpart(known, upstream, header);
        item.stage = stage_of(header);
        ok = !before || (options_agree(before, header, item, changes, err) && inputs_agree(before, header, item, changes, err));
    }
    return ok;
}

bool config_same_stages(const json_t *first, const json_t *second, const char *who, Error *err)
{
    Changes none = {0};
    return stages_agree(first, second, (Item){.run = who, .as = "at the other ranks"}, &none, err);
}

static bool upstream_agrees(const json_t *upstream, int64_t step, const char *run, Changes *changes, Error *err)
{
    json_t *all;
    bool ok = config_read(run, "upstream", &all, err) &&
              stages_agree(all, upstream, (Item){.run = run, .step = step, .as = in_steps_before}, changes, err);
    json_decref(all);
    return ok;
}

/* ---- writing ---- */

bool config_write(const char *run, const Learner *l, json_t *options, const char *init, const json_t *upstream,
                  const Changes *changes, Error *err)
{
    json_t *known, *digests = json_object();
    bool ok = config_read(run, "upstream", &known, err);
    if (upstream) {
        json_decref(known);
        known = json_deep_copy(upstream);
    }
    json_object_set_new(digests, "base", json_string(l->base.text));
    json_object_set_new(digests, "encoder", json_string(l->encoder.text));
    json_object_set_new(digests, "init", *init ? json_string(init) : json_null());
    json_object_set_new(options, "digests", digests);
    json_object_set_new(options, "version", json_string(VLRM_VERSION));
    if (json_array_size(changes->list) > 0)
        json_object_set(options, "changes", changes->list);
    if (known)
        json_object_set_new(options, "upstream", known);
    ok = ok && json_file_write(run, "config.json", options, err);
    json_decref(options);
    return ok;
}

bool config_begin(const char *run, const Learner *l, json_t *options, const char *init, const json_t *upstream, Changes *changes,
                  Error *err)
{
    if (l->step == 0 || upstream_agrees(upstream, l->step, run, changes, err))
        return config_write(run, l, options, init, upstream, changes, err);
    json_decref(options);
    return false;
}
