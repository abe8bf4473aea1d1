/* Records of one picture; see sample.h. */
#include "tools/sample.h"

#include <stdlib.h>
#include <string.h>

Slice picture_id(Slice id)
{
    size_t n = id.size;
    while (n > 0 && id.data[n - 1] >= '0' && id.data[n - 1] <= '9')
        n--;
    return n > 1 && n < id.size && id.data[n - 1] == '~' ? (Slice){id.data, n - 1} : id;
}

Slice picture_source(const Record *r)
{
    Slice source = {NULL, 0};
    if (record_string(r, "frame.source", &source) != FIELD_OK && record_string(r, "frame.path", &source) != FIELD_OK)
        return (Slice){NULL, 0};
    return source;
}

bool sample_has(const Sample *s, const Record *r, bool by_source)
{
    if (!s->captions)
        return false;
    Slice a = picture_source(&s->first), b = picture_source(r);
    bool same_source = a.data && b.data ? slice_same(a, b) : a.data == b.data;
    return same_source && ((by_source && a.data) || slice_same(picture_id(s->first.id), picture_id(r->id)));
}

static void add_score(json_t *caption, const char *key, const Record *r, const char *path)
{
    double value;
    if (record_real(r, path, &value) == FIELD_OK)
        json_object_set_new(caption, key, json_real(value));
}

void sample_add(Sample *s, const Record *r)
{
    Error err = {0};
    Slice text;
    if (!s->captions) {
        void *copy = memcpy(arena_alloc(&s->arena, r->raw.size), r->raw.data, r->raw.size);
        s->captions = json_array();
        if (!record_parse((Slice){copy, r->raw.size}, &s->first, &s->arena, &err))
            bug("%s", err.text);
    }
    if (record_string(r, "caption.text", &text) != FIELD_OK)
        return;
    json_t *caption = json_pack("{s:o}", "text", json_stringn(text.data, text.size));
    add_score(caption, "itm", r, "reward.parts.itm");
    add_score(caption, "cosine", r, "reward.parts.cosine");
    json_array_append_new(s->captions, caption);
}

void sample_lines(const Sample *s, const char *prefix, Buffer *out)
{
    size_t i;
    json_t *caption;
    json_array_foreach (s->captions, i, caption) {
        const char *text = json_string_value(json_object_get(caption, "text"));
        size_t begin = out->size + strlen(prefix);
        buffer_add(out, prefix, strlen(prefix));
        buffer_add(out, text, strlen(text));
        for (size_t k = begin; k < out->size; k++)
            if (out->data[k] == '\n' || out->data[k] == '\r')
                out->data[k] = ' ';
        buffer_add(out, "\n", 1);
    }
}

void sample_reset(Sample *s)
{
    json_decref(s->captions);
    s->captions = NULL;
    arena_reset(&s->arena);
}

void sample_release(Sample *s)
{
    sample_reset(s);
    arena_release(&s->arena);
}
