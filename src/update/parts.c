/* Parts of the reward that are only watched; see parts.h. */
#include "update/parts.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "update/objective.h"

void reward_parts_release(RewardParts *p)
{
    free(p->values);
    *p = (RewardParts){0};
}

void reward_parts_append(RewardParts *p, const PartValue *value)
{
    p->values = array_reserve(p->values, &p->capacity, p->n + 1, sizeof *p->values);
    p->values[p->n++] = *value;
}

static void say_left_out(const char *name)
{
    static bool said;
    if (!said)
        warn("reward.parts: metrics leave out '%.200s': they have up to %d names of up to %d bytes (said once)", name, PARTS_MOST,
             PART_NAME - 1);
    said = true;
}

void reward_parts_add(RewardParts *p, const Record *r, size_t entry)
{
    const char *name;
    const json_t *value;
    json_t *all = slice_json(record_raw(r, "reward.parts"));
    json_object_foreach (all, name, value) {
        PartValue part = {.entry = entry, .value = json_number_value(value)};
        if (strcmp(name, "itm") == 0 || strcmp(name, "phi") == 0 || !json_is_number(value) || !isfinite(part.value))
            continue;
        if (strlen(name) < PART_NAME)
            memcpy(part.name, name, strlen(name));
        else
            say_left_out(name);
        if (part.name[0])
            reward_parts_append(p, &part);
    }
    json_decref(all);
}

json_t *reward_parts_json(const RewardParts *p)
{
    json_t *all = p->n ? json_object() : NULL;
    double *values = xmalloc((p->n + 1) * sizeof *values);
    for (size_t i = 0; i < p->n; i++) {
        const char *name = p->values[i].name;
        size_t n = 0;
        if (json_object_get(all, name))
            continue;
        if (json_object_size(all) == PARTS_MOST) {
            say_left_out(name);
            break;
        }
        for (size_t k = i; k < p->n; k++)
            if (strcmp(p->values[k].name, name) == 0)
                values[n++] = p->values[k].value;
        const Moments m = moments(values, n);
        json_object_set_new(all, name, json_pack("{s:f, s:f}", "mean", m.mean, "std", m.std));
    }
    free(values);
    return all;
}
