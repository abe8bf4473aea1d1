/* Batches written as streams; see recorder.h. */
#include "update/run/recorder.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "stage/frame.h"
#include "update/shared.h"

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

/* The reward of entry i, where it was completed here. */
static void reward_complete(Packer *p, const Batch *b, size_t i, const Record *r)
{
    const WholeRewards *w = &b->whole;
    if (w->rule.n == 0)
        return;
    const WholeEntry *e = &w->entries[i];
    deferred_complete(p, r, e->sim, e->phi, w->returns + e->first, e->n);
}

/* Entry i: with a report it has, if it is caption e (else NULL), a `value` group; without one, the image that it names by path.
 */
static bool record_write(Writer *w, const Batch *b, size_t i, const Record *r, const Episode *e, const StepReport *report,
                         Error *err)
{
    Packer p = {0}, reward = {0};
    Group groups[2];
    size_t n = 0;
    bool ok = true;
    if (report && e)
        value_pack(&p, e, report);
    else if (!report && frame_by_path(r))
        ok = image_pack(&p, r, err);
    reward_complete(&reward, b, i, r);
    if (reward.size > 0)
        groups[n++] = (Group){SLICE("reward"), {reward.data, reward.size}};
    if (p.size > 0)
        groups[n++] = (Group){report ? SLICE("value") : SLICE("frame"), {p.data, p.size}};
    if (ok && n > 0)
        writer_record(w, r->id, r, groups, n);
    else if (ok)
        writer_forward(w, r);
    pack_release(&p);
    pack_release(&reward);
    return ok;
}

/* The batch's records and the batch record that closes it. w NULL: rank 0 writes them, and what of them we have goes there. */
static bool batch_write(Writer *w, Batch *b, const StepReport *report, const BatchOrigin *origin, Error *err)
{
    const Episode *learned = b->episodes;
    Arena arena = {0};
    bool ok = true;
    for (size_t i = 0; i < b->n_entries && ok; i++) {
        Record r;
        const Episode *e = b->entries[i].learned ? learned++ : NULL;
        ok = batch_entry(b, origin->ranks, i, &r, &arena, err) && (!w || record_write(w, b, i, &r, e, report, err));
        arena_reset(&arena);
    }
    arena_release(&arena);
    if (ok && w)
        writer_batch(w, origin->index, (int64_t)b->n_entries, -1);
    return ok;
}

/* ---- --record ---- */

bool recorder_open(Recorder *r, const char *path, bool writes, const Program *program, json_t *inputs, Error *err)
{
    *r = (Recorder){.on = path != NULL, .fd = -1, .program = program, .inputs = inputs};
    if (!path || !writes)
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
        writer_header(r->out, "update", options_json(r->program), json_incref(r->inputs), upstream,
                      json_pack("{s:o}", "may_change", options_may_change(r->program)));
    r->began = true;
}

bool recorder_write(Recorder *r, Batch *b, const StepReport *report, const BatchOrigin *origin, Error *err)
{
    if (!r->on)
        return true;
    if (!r->out)
        return batch_write(NULL, b, report, origin, err);
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

bool batch_file_help(Batch *b, const BatchOrigin *origin, Error *err)
{
    return batch_write(NULL, b, NULL, origin, err);
}
