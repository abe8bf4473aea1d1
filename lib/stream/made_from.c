/* What was made from what; see made_from.h. */
#include "stream/made_from.h"

#include <stdlib.h>

/* The groups that a later group is made from. Frames are not here: no stage puts another picture in the place of one. */
static const struct {
    const char *name, *from;
} table[] = {
    {"reward", "caption"},
    {"value", "caption"},
    {"value", "reward"},
};

bool made_from(Slice name, const Group *groups, size_t n)
{
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++)
        for (size_t k = 0; k < n && slice_equal(name, table[i].name); k++)
            if (slice_equal(groups[k].name, table[i].from))
                return true;
    return false;
}

Digest caption_digest(const int64_t *ids, size_t n)
{
    return digest_text(hash_id(ids, n * sizeof *ids));
}

static void say_unnamed(const Record *r)
{
    static bool said;
    if (!said)
        note("record %.*s: its reward does not name its caption (recorded by an older version, or made by hand): whether they "
             "belong together is not checked (said once)",
             (int)(r->id.size < 200 ? r->id.size : 200), r->id.data);
    said = true;
}

bool reward_check(const Record *r, Error *err)
{
    Slice named;
    Arena arena = {0};
    int64_t *ids = NULL;
    size_t n = 0;
    Field found = record_string(r, "reward.caption", &named);
    if (found == FIELD_MISSING) {
        if (record_raw(r, "reward").data)
            say_unnamed(r);
        return true;
    }
    bool ok = found == FIELD_OK || error_set(err, "reward.caption is not a string");
    if (ok && record_ints(r, "caption.tokens", &arena, &ids, &n) != FIELD_OK)
        ok = error_set_status(err, STATUS_MISMATCH,
                              "its reward is of a caption with tokens, this caption has none: it was replaced after the reward "
                              "was computed; run vlrm-reward again");
    const Digest is = caption_digest(ids, n);
    if (ok && !slice_equal(named, is.text))
        ok = error_set_status(err, STATUS_MISMATCH,
                              "its reward is of another caption (reward.caption %.*s, caption.tokens have %s): the caption was "
                              "replaced after the reward was computed; run vlrm-reward again",
                              (int)named.size, (const char *)named.data, is.text);
    arena_release(&arena);
    return ok;
}
