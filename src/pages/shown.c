/* Captions and their rewards as JSON for pages; see shown.h. */
#include "pages/shown.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"

json_t *shown_text(Slice text)
{
    if (utf8_valid(text.data, text.size))
        return json_stringn(text.data, text.size);
    char *clean = xmalloc(3 * text.size + 1), *to = clean;
    for (const char *p = text.data, *end = p + text.size; p < end;) {
        int bytes;
        bool valid;
        to += utf8_encode(to, utf8_decode(p, end, &bytes, &valid));
        p += bytes;
    }
    json_t *out = json_stringn(clean, (size_t)(to - clean));
    free(clean);
    return out;
}

json_t *shown_number(double value)
{
    if (!isfinite(value))
        return json_null();
    if (fabs(value) < 1e9 && value == (double)(int64_t)value)
        return json_integer((int64_t)value);
    return json_real(value);
}

/* ---- the ledger ---- */

static json_t *token_text(const Tokenizer *t, int64_t id, Arena *scratch)
{
    int32_t id32 = (int32_t)id;
    if (t && id == tokenizer_ids(t).eos)
        return json_string("<eos>");
    if (t && id >= 0 && id < tokenizer_size(t)) {
        Slice s = tokenizer_is_special(t, id32) ? tokenizer_piece(t, id32) : tokenizer_decode(scratch, t, &id32, 1);
        if (s.size > 0)
            return shown_text(s);
    }
    return json_sprintf("<%lld>", (long long)id);
}

static json_t *tokens_json(const Tokenizer *t, const int64_t *ids, size_t n, Arena *scratch)
{
    json_t *out = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(out, token_text(t, ids[i], scratch));
    return out;
}

/* Sets `key` to the n numbers at path; nothing where they are others. */
static void set_reals(json_t *to, const char *key, const Record *r, const char *path, size_t n, Arena *scratch)
{
    double *values;
    size_t found;
    if (record_reals(r, path, scratch, &values, &found) != FIELD_OK || found != n)
        return;
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, shown_number(values[i]));
    json_object_set_new(to, key, list);
}

json_t *shown_ledger(const Record *r, const Tokenizer *tokenizer, Arena *scratch)
{
    static const char *const arrays[][2] = {{"bad", "reward.bad"},
                                            {"repeat", "reward.repeat"},
                                            {"returns", "reward.returns"},
                                            {"values", "value.values"},
                                            {"advantages", "value.advantages"}};
    static const char *const numbers[][2] = {{"sim", "reward.sim"},
                                             {"ref", "reward.ref"},
                                             {"itm", "reward.parts.itm"},
                                             {"phi", "reward.parts.phi"},
                                             {"noeos", "reward.noeos"}};
    int64_t *ids;
    size_t n;
    double value;
    if (!record_raw(r, "reward.returns").data || record_ints(r, "caption.tokens", scratch, &ids, &n) != FIELD_OK)
        return NULL;
    json_t *out = json_pack("{s:o}", "tokens", tokens_json(tokenizer, ids, n, scratch));
    for (size_t i = 0; i < sizeof arrays / sizeof arrays[0]; i++)
        set_reals(out, arrays[i][0], r, arrays[i][1], n, scratch);
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
        if (record_real(r, numbers[i][1], &value) == FIELD_OK)
            json_object_set_new(out, numbers[i][0], shown_number(value));
    Slice fired = record_raw(r, "reward.fired");
    if (fired.data)
        json_object_set_new(out, "fired", slice_json(fired));
    return out;
}

/* ---- numbers ---- */

void shown_flatten(json_t *numbers, const char *path, const json_t *value)
{
    const char *key;
    json_t *inner;
    if (json_is_integer(value))
        json_object_set_new(numbers, path, json_integer(json_integer_value(value)));
    else if (json_is_real(value))
        json_object_set_new(numbers, path, shown_number(json_real_value(value)));
    else if (json_is_boolean(value))
        json_object_set_new(numbers, path, json_integer(json_is_true(value)));
    if (!json_is_object(value))
        return;
    json_object_foreach ((json_t *)(uintptr_t)value, key, inner) {
        char *longer = path[0] ? xasprintf("%s.%s", path, key) : xstrdup(key);
        shown_flatten(numbers, longer, inner);
        free(longer);
    }
}

void shown_numbers(json_t *numbers, const Record *r)
{
    for (size_t i = 0; i < r->n_groups; i++) {
        Slice name = r->groups[i].name;
        if (slice_equal(name, "features"))
            continue;
        char *path = xstrndup(name.data, name.size);
        json_t *value = slice_json_as(r->groups[i].value, BIN_OMIT);
        shown_flatten(numbers, path, value);
        json_decref(value);
        free(path);
    }
}
