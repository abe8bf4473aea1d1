/* Which captions belong together; see groups.h. */
#include "stage/groups.h"

#include "base/hash.h"

bool group_read(GroupInfo *out, const Record *r, Error *err)
{
    *out = (GroupInfo){.name = r->id};
    if (record_string(r, "caption.group", &out->name) == FIELD_WRONG)
        return error_set(err, "caption.group is not a string");
    if (record_int(r, "caption.group_size", &out->size) == FIELD_WRONG || out->size < 0)
        return error_set(err, "caption.group_size is no count");
    if (record_bool(r, "caption.baseline", &out->baseline) == FIELD_WRONG)
        return error_set(err, "caption.baseline is neither true nor false");
    return true;
}

/* Of a record that names a group; 0 for one that is alone, as one is that says it wrongly. */
static uint64_t named_group(const Record *r, GroupInfo *g)
{
    Error ignored = {0};
    if (!record_raw(r, "caption.group").data || !group_read(g, r, &ignored))
        return 0;
    const uint64_t hash = hash_id(g->name.data, g->name.size);
    return hash ? hash : 1;
}

void group_cut_take(GroupCut *c, const Record *r)
{
    GroupInfo g = {0};
    const uint64_t group = named_group(r, &g);
    const int64_t taken = group == c->group ? c->taken + 1 : 1;
    *c = (GroupCut){group, g.size, taken};
    if (g.size > 0 && taken >= g.size)
        c->group = 0;
}

bool group_cut_open(const GroupCut *c)
{
    return c->group != 0;
}

bool group_cut_before(const GroupCut *c, const Record *r)
{
    GroupInfo g;
    return c->group == 0 || named_group(r, &g) != c->group;
}
