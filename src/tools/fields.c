/* Some fields of a record; see fields.h. */
#include "tools/fields.h"

#include <stdlib.h>
#include <string.h>

#include "stream/made_from.h"
#include "stream/token.h"

/* How a path stands to the fields asked for. */
typedef enum Match { MATCH_NONE, MATCH_WHOLE, MATCH_BELOW } Match;

static Match path_match(const char *path, const StringList *fields)
{
    size_t n = strlen(path);
    Match best = MATCH_NONE;
    for (size_t i = 0; i < fields->count; i++) {
        const char *f = fields->items[i];
        if (strcmp(f, path) == 0)
            return MATCH_WHOLE;
        if (strncmp(f, path, n) == 0 && f[n] == '.')
            best = MATCH_BELOW;
    }
    return best;
}

static bool pack_below(Packer *out, const char *map, const char *path, const StringList *fields);

/* Adds key and value, or what is asked for of the value. */
static bool pack_pair(Packer *out, Slice key, Slice value, const char *above, const StringList *fields)
{
    char *path = xasprintf("%s%s%.*s", above, *above ? "." : "", (int)key.size, (const char *)key.data);
    Match match = path_match(path, fields);
    size_t before = out->size;
    pack_string_n(out, key.data, key.size);
    bool kept = match == MATCH_WHOLE || (match == MATCH_BELOW && token_at(value.data).kind == TOKEN_MAP);
    if (match == MATCH_WHOLE)
        pack_raw(out, value);
    else if (kept)
        kept = pack_below(out, value.data, path, fields);
    if (!kept)
        out->size = before;
    free(path);
    return kept;
}

/* The map with what is asked for of it; false, and nothing packed, when that is nothing. */
static bool pack_below(Packer *out, const char *map, const char *path, const StringList *fields)
{
    Token t = token_at(map);
    const char *at = map + t.head;
    Packer inner = {0};
    size_t kept = 0;
    for (uint64_t i = 0; i < t.count; i++) {
        Slice key = value_string(at);
        at += value_size(at);
        Slice value = {at, value_size(at)};
        at += value.size;
        kept += key.data && pack_pair(&inner, key, value, path, fields);
    }
    if (kept > 0) {
        pack_map(out, kept);
        pack_raw(out, (Slice){inner.data, inner.size});
    }
    pack_release(&inner);
    return kept > 0;
}

void fields_pack(Packer *out, const Record *r, const StringList *fields)
{
    Packer inner = {0};
    size_t kept = 0;
    for (size_t i = 0; i < r->n_groups; i++)
        kept += pack_pair(&inner, r->groups[i].name, r->groups[i].value, "", fields);
    pack_reset(out);
    pack_map(out, 1 + kept);
    pack_string(out, "id");
    pack_string_n(out, r->id.data, r->id.size);
    pack_raw(out, (Slice){inner.data, inner.size});
    pack_release(&inner);
}

void caption_replace(Packer *out, const Record *r, const char *text)
{
    const Group caption = {SLICE("caption"), {NULL, 0}};
    size_t kept = 0;
    Packer inner = {0};
    for (size_t i = 0; i < r->n_groups; i++) {
        const Group *g = &r->groups[i];
        if (slice_equal(g->name, "caption") || made_from(g->name, &caption, 1))
            continue;
        pack_string_n(&inner, g->name.data, g->name.size);
        pack_raw(&inner, g->value);
        kept++;
    }
    pack_reset(out);
    pack_map(out, 2 + kept);
    pack_string(out, "id");
    pack_string_n(out, r->id.data, r->id.size);
    pack_raw(out, (Slice){inner.data, inner.size});
    pack_string(out, "caption");
    pack_map_begin(out);
    pack_field_text(out, "text", text);
    pack_map_end(out);
    pack_release(&inner);
}
