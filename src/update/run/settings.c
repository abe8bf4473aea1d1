/* The options of a run as JSON; see settings.h. */
#include "update/run/settings.h"

json_t *settings_numbers(const Program *program, const char *init)
{
    json_t *all = options_json(program), *numbers = json_object();
    for (const Option *o = program->options; o->name; o++)
        if (*o->name && !o->may_change)
            json_object_set(numbers, o->name, json_object_get(all, o->name));
    json_object_set_new(numbers, "init", *init ? json_string(init) : json_null());
    json_decref(all);
    return numbers;
}

static void delete_keys(json_t *options, const char *const *keys, size_t n)
{
    for (size_t i = 0; i < n; i++)
        json_object_del(options, keys[i]);
}

json_t *settings_json(const Program *program)
{
    static const char *const now[] = {"prepare", "replay", "count", "change-options"};
    json_t *all = options_json(program);
    delete_keys(all, now, sizeof now / sizeof now[0]);
    if (!option_given(program, "crop"))
        json_object_set_new(all, "crop", json_null());
    return all;
}

json_t *settings_kept(const Program *program)
{
    static const char *const others[] = {"run", "init", "dump", "record", "tensorboard", "max-steps", "stop-on-collapse"};
    json_t *all = settings_json(program);
    delete_keys(all, others, sizeof others / sizeof others[0]);
    return all;
}
