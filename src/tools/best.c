/* The best of several captions; see best.h. */
#include "tools/best.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "tools/sample.h"

static void hold(Best *b, const Record *r, double value)
{
    Error err = {0};
    arena_reset(&b->arena);
    void *copy = memcpy(arena_alloc(&b->arena, r->raw.size), r->raw.data, r->raw.size);
    b->raw = (Slice){copy, r->raw.size};
    b->value = value;
    if (!record_parse(b->raw, &b->record, &b->arena, &err))
        bug("%s", err.text);
}

static bool same_picture(const Record *a, const Record *b)
{
    Slice x = picture_source(a), y = picture_source(b);
    return slice_same(picture_id(a->id), picture_id(b->id)) && (x.data && y.data ? slice_same(x, y) : x.data == y.data);
}

bool best_take(Best *b, const char *path, const Record *r, Record *done)
{
    double value;
    if (record_real(r, path, &value) != FIELD_OK)
        value = -INFINITY;
    if (!b->raw.data || same_picture(&b->record, r)) {
        if (!b->raw.data || value > b->value)
            hold(b, r, value);
        return false;
    }
    Arena held = b->arena;
    *done = b->record;
    b->arena = b->given;
    b->given = held;
    hold(b, r, value);
    return true;
}

bool best_end(Best *b, Record *done)
{
    bool any = b->raw.data;
    *done = b->record;
    b->raw = (Slice){NULL, 0};
    return any;
}

void best_release(Best *b)
{
    arena_release(&b->arena);
    arena_release(&b->given);
}
