/* Writing a stream: header, records, end; see stream.h. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/progress.h"
#include "stream/made_from.h"
#include "stream/sink.h"
#include "stream/token.h"

struct Writer {
    char *name; /* owned */
    int fd;
    Sink *sink;  /* owned */
    Packer head; /* owned: small pieces under construction */
    bool inside; /* a segment is open */
    uint64_t records;
    Error error;
};

Writer *writer_new(int fd, const char *name, int zstd_level)
{
    Writer *w = xcalloc(1, sizeof *w);
    w->name = xstrdup(name);
    w->fd = fd;
    w->sink = sink_new(fd, zstd_level);
    return w;
}

void writer_free(Writer *w)
{
    if (!w)
        return;
    sink_free(w->sink);
    pack_release(&w->head);
    free(w->name);
    free(w);
}

const Error *writer_error(const Writer *w)
{
    return &w->error;
}

uint64_t writer_records(const Writer *w)
{
    return w->records;
}

/* Names the file once, when the first failure comes. */
static bool finish(Writer *w, bool ok)
{
    if (!ok && strncmp(w->error.text, w->name, strlen(w->name)) != 0)
        error_prefix(&w->error, "%s", w->name);
    return ok;
}

static bool put(Writer *w, const void *data, size_t n)
{
    return finish(w, sink_write(w->sink, data, n, &w->error));
}

static bool put_head(Writer *w)
{
    return put(w, w->head.data, w->head.size);
}

static bool ready(Writer *w, bool inside)
{
    if (w->error.text[0])
        return false;
    if (w->inside != inside)
        bug(inside ? "a record before the header" : "a header inside a segment");
    pack_reset(&w->head);
    return true;
}

bool writer_header_raw(Writer *w, Slice header)
{
    if (!ready(w, false))
        return false;
    if (isatty(w->fd))
        return error_set_status(&w->error, STATUS_USAGE,
                                "%s is a terminal: a stream is binary; redirect it, or look at it with vlrm-cat", w->name);
    if (!value_whole(header))
        return error_set(&w->error, "%s: the header is nested deeper than 256 levels, or not a value", w->name);
    w->inside = true;
    w->records = 0;
    return finish(w, sink_begin(w->sink, &w->error)) && put(w, header.data, header.size);
}

/* Adds key: value unless extra says otherwise. */
static void set_default(json_t *all, const char *key, json_t *value)
{
    if (json_object_get(all, key))
        json_decref(value);
    else
        json_object_set_new(all, key, value);
}

bool writer_header(Writer *w, const char *stage, json_t *params, json_t *inputs, Slice upstream, json_t *extra)
{
    json_t *all = json_object();
    json_object_set_new(all, "vlrm", json_integer(1));
    json_object_set_new(all, "stage", json_string(stage));
    json_object_set_new(all, "version", json_string(VLRM_VERSION));
    if (extra)
        json_object_update(all, extra);
    set_default(all, "params", params ? params : json_object());
    set_default(all, "inputs", inputs ? inputs : json_array());
    Packer p = {0};
    const char *key;
    json_t *value;
    pack_map_begin(&p);
    json_object_foreach (all, key, value)
        pack_field_json(&p, key, value);
    pack_key(&p, "upstream");
    if (upstream.data)
        pack_raw(&p, upstream);
    else
        pack_nil(&p);
    pack_map_end(&p);
    bool ok = writer_header_raw(w, (Slice){p.data, p.size});
    pack_release(&p);
    json_decref(all);
    json_decref(extra);
    return ok;
}

static const Group *group_find(const Group *groups, size_t n, Slice name)
{
    for (size_t i = 0; i < n; i++)
        if (groups[i].name.size == name.size && memcmp(groups[i].name.data, name.data, name.size) == 0)
            return &groups[i];
    return NULL;
}

/* Key and value; a large value goes out from where it lies. */
static bool put_group(Writer *w, const Group *g)
{
    pack_string_n(&w->head, g->name.data, g->name.size);
    bool ok = put_head(w) && put(w, g->value.data, g->value.size);
    pack_reset(&w->head);
    return ok;
}

/* Whether a group that came stays out: it was made from one that is replaced here. */
static bool is_stale(const Group *came, const Group *groups, size_t n)
{
    return !group_find(groups, n, came->name) && made_from(came->name, groups, n);
}

/* How many groups of a record stay out; the first one ever is told. */
static size_t count_stale(Slice id, const Record *from, const Group *groups, size_t n)
{
    static bool said;
    size_t stale = 0;
    for (size_t i = 0; from && i < from->n_groups; i++) {
        if (!is_stale(&from->groups[i], groups, n))
            continue;
        stale++;
        if (!said)
            warn("record %.*s: group %.*s is dropped, it was made from what is replaced here (said once)",
                 (int)(id.size < 200 ? id.size : 200), id.data, (int)from->groups[i].name.size, from->groups[i].name.data);
        said = true;
    }
    return stale;
}

bool writer_record(Writer *w, Slice id, const Record *from, const Group *groups, size_t n)
{
    if (!ready(w, true))
        return false;
    size_t have = from ? from->n_groups : 0, added = 0;
    for (size_t i = 0; i < n; i++) {
        if (!value_whole(groups[i].value))
            bug("group %.*s is not one whole value", (int)groups[i].name.size, (const char *)groups[i].name.data);
        added += !from || !group_find(from->groups, have, groups[i].name);
    }
    pack_map(&w->head, 1 + have + added - count_stale(id, from, groups, n));
    pack_string(&w->head, "id");
    pack_string_n(&w->head, id.data, id.size);
    bool ok = true;
    for (size_t i = 0; i < have && ok; i++) {
        const Group *ours = group_find(groups, n, from->groups[i].name);
        if (ours || !is_stale(&from->groups[i], groups, n))
            ok = put_group(w, ours ? ours : &from->groups[i]);
    }
    for (size_t i = 0; i < n && ok; i++)
        if (!from || !group_find(from->groups, have, groups[i].name))
            ok = put_group(w, &groups[i]);
    w->records += ok;
    if (ok)
        progress_wrote();
    return ok && put_head(w);
}

bool writer_forward(Writer *w, const Record *record)
{
    if (record->kind == RECORD_BATCH)
        return writer_batch(w, record->batch.index, record->batch.records, record->batch.step);
    if (record->kind != RECORD_DATA)
        bug("forwarding a record of kind %d", record->kind);
    if (!ready(w, true) || !put(w, record->raw.data, record->raw.size))
        return false;
    w->records++;
    progress_wrote();
    return true;
}

/* Ends the record in w->head, whose last value is 16 zeros: in their place goes the digest of the segment up to there. */
static bool put_digested(Writer *w)
{
    w->head.size -= sizeof(Digest); /* 16 digits and the byte that says so */
    bool ok = put_head(w);
    const Digest digest = digest_text(sink_digest(w->sink));
    pack_reset(&w->head);
    pack_string(&w->head, digest.text);
    return ok && put_head(w);
}

bool writer_batch(Writer *w, int64_t index, int64_t records, int64_t step)
{
    if (!ready(w, true))
        return false;
    Packer *p = &w->head;
    pack_map_begin(p);
    pack_key(p, "batch");
    pack_map_begin(p);
    pack_field_int(p, "index", index);
    pack_field_int(p, "records", records);
    if (step >= 0)
        pack_field_int(p, "step", step);
    pack_field_text(p, "digest", "0000000000000000");
    pack_map_end(p);
    pack_map_end(p);
    return put_digested(w);
}

/* The end record, with zeros where the digest of what stands before goes: its last value. */
static void end_pack(Packer *p, uint64_t records, int64_t failed, int64_t filtered, int status, json_t *extra)
{
    const char *key;
    json_t *value;
    pack_map_begin(p);
    pack_key(p, "end");
    pack_map_begin(p);
    pack_field_int(p, "records", (int64_t)records);
    pack_field_int(p, "failed", failed);
    pack_field_int(p, "filtered", filtered);
    pack_field_int(p, "status", status);
    json_object_foreach (extra, key, value)
        pack_field_json(p, key, value);
    pack_field_text(p, "digest", "0000000000000000");
    pack_map_end(p);
    pack_map_end(p);
}

bool writer_end_with(Writer *w, int64_t failed, int64_t filtered, int status, json_t *extra)
{
    bool ok = ready(w, true);
    if (ok) {
        end_pack(&w->head, w->records, failed, filtered, status, extra);
        ok = put_digested(w) && finish(w, sink_end(w->sink, &w->error));
    }
    w->inside = false;
    json_decref(extra);
    return ok;
}

bool writer_end(Writer *w, int64_t failed, int64_t filtered, int status)
{
    return writer_end_with(w, failed, filtered, status, NULL);
}

bool writer_flush(Writer *w)
{
    return finish(w, sink_flush(w->sink, &w->error));
}
