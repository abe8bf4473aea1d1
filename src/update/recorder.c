/* Batches written as streams; see recorder.h. */
#include "update/recorder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stage/frame.h"

static bool writer_ok(const Writer *w, Error *err)
{
    const Error *e = writer_error(w);
    return !e->text[0] || error_set_status(err, e->status, "%s", e->text);
}

/* ---- one batch into a stream ---- */

static void value_pack(Packer *p, const Episode *e, const StepReport *report)
{
    pack_map_begin(p);
    pack_field_reals(p, "values", report->values + e->first, e->n);
    pack_field_reals(p, "advantages", report->advantages + e->first, e->n);
    pack_field_reals(p, "normalised", report->normalised + e->first, e->n);
    pack_map_end(p);
}

/* The image that a record names by path, into the record; where it has features too the image may be gone. */
static bool image_pack(Packer *p, const Record *r, Error *err)
{
    Error why = {0};
    return frame_embed(p, r, &why) || record_raw(r, "features").data ||
           error_set_status(err, why.status, "record %.*s: %s", (int)r->id.size, (const char *)r->id.data, why.text);
}

/* Blob i: with a report it has, if it is caption e, a `value` group; without one, the image that it names by path. */
static bool record_write(Writer *w, Batch *b, size_t i, const Episode *e, const StepReport *report, Error *err)
{
    Record r;
    Arena arena = {0};
    Packer p = {0};
    bool ok = batch_blob(b, i, &r, &arena, err);
    if (ok && report && e->record == i)
        value_pack(&p, e, report);
    else if (ok && !report && frame_by_path(&r))
        ok = image_pack(&p, &r, err);
    if (ok && p.size > 0) {
        Group group = {report ? SLICE("value") : SLICE("frame"), {p.data, p.size}};
        writer_record(w, r.id, &r, &group, 1);
    } else if (ok) {
        writer_forward(w, &r);
    }
    pack_release(&p);
    arena_release(&arena);
    return ok;
}

/* The batch's records and the batch record that closes it. */
static bool batch_write(Writer *w, Batch *b, const StepReport *report, const BatchOrigin *origin, Error *err)
{
    const Episode *e = b->episodes, *last = b->episodes + b->n - 1;
    for (size_t i = 0; i < b->records.n; i++) {
        if (!record_write(w, b, i, e, report, err))
            return false;
        e += e->record == i && e < last;
    }
    writer_batch(w, origin->index, (int64_t)b->records.n, -1);
    return true;
}

/* ---- --record ---- */

bool recorder_open(Recorder *r, const char *path, const Program *program, json_t *inputs, Error *err)
{
    *r = (Recorder){.fd = -1, .program = program, .inputs = inputs};
    if (!path)
        return true;
    r->path = xstrdup(path);
    r->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (r->fd < 0)
        return error_set(err, "create %s:", path);
    r->out = writer_new(r->fd, path, 0);
    return writer_ok(r->out, err);
}

static void begin(Recorder *r, Slice upstream)
{
    if (!r->began)
        writer_header(r->out, "update", options_json(r->program), json_incref(r->inputs), upstream, NULL);
    r->began = true;
}

bool recorder_write(Recorder *r, Batch *b, const StepReport *report, const BatchOrigin *origin, Error *err)
{
    if (!r->out)
        return true;
    begin(r, origin->upstream);
    if (!batch_write(r->out, b, report, origin, err))
        return false;
    writer_flush(r->out);
    return writer_ok(r->out, err);
}

bool recorder_close(Recorder *r, int status, json_t *end, Error *err)
{
    bool ok = true;
    if (r->out) {
        begin(r, (Slice){NULL, 0});
        writer_end_with(r->out, 0, 0, status, json_incref(end));
        ok = writer_ok(r->out, err);
        writer_free(r->out);
        ok = (close(r->fd) == 0 || error_set(err, "close %s:", r->path)) && ok;
    }
    free(r->path);
    *r = (Recorder){.fd = -1};
    return ok;
}

/* ---- a batch in a file of its own ---- */

bool batch_file_write(const char *path, Batch *b, const BatchOrigin *origin, json_t *params, Error *err)
{
    AtomicFile f = {0};
    if (!atomic_open(&f, path, err))
        return false;
    Writer *w = writer_new(fileno(f.stream), path, 0);
    writer_header(w, "update", json_incref(params), json_incref(origin->inputs), origin->upstream, NULL);
    bool ok = batch_write(w, b, NULL, origin, err);
    writer_end(w, 0, 0, STATUS_CLEAN);
    ok = ok && writer_ok(w, err);
    writer_free(w);
    if (ok)
        return atomic_commit(&f, err);
    atomic_abort(&f);
    return false;
}
