/* Records written again; see replay.h. */
#include "update/replay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static bool writer_ok(const Writer *w, const char *path, Error *err)
{
    const Error *e = writer_error(w);
    return !e->text[0] || error_set(err, "%s: %s", path, e->text);
}

bool recorder_open(Recorder *r, const char *path, const Program *program, Error *err)
{
    *r = (Recorder){.fd = -1};
    if (!path)
        return true;
    r->path = xstrdup(path);
    r->fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (r->fd < 0)
        return error_set(err, "create %s:", path);
    r->out = writer_new(r->fd, path, 0);
    writer_header(r->out, "update", options_json(program), NULL, (Slice){NULL, 0}, NULL);
    return writer_ok(r->out, path, err);
}

static void value_pack(Packer *p, const Episode *e, const StepReport *report)
{
    pack_reset(p);
    pack_map(p, 3);
    pack_string(p, "values");
    pack_reals(p, report->values + e->first, e->n);
    pack_string(p, "advantages");
    pack_reals(p, report->advantages + e->first, e->n);
    pack_string(p, "normalised");
    pack_reals(p, report->normalised + e->first, e->n);
}

/* Every record of the batch; with a report, each with its `value` group. */
static bool batch_write(Writer *w, Batch *b, const StepReport *report, Error *err)
{
    Packer p = {0};
    bool ok = true;
    for (size_t i = 0; i < b->n && ok; i++) {
        Record r;
        Arena arena = {0};
        ok = batch_record(b, i, &r, &arena, err);
        if (ok && report) {
            value_pack(&p, &b->episodes[i], report);
            Group group = {{"value", 5}, {p.data, p.size}};
            writer_record(w, r.id, &r, &group, 1);
        } else if (ok) {
            writer_forward(w, &r);
        }
        arena_release(&arena);
    }
    pack_release(&p);
    return ok;
}

bool recorder_write(Recorder *r, Batch *b, const StepReport *report, Error *err)
{
    if (!r->out)
        return true;
    bool ok = batch_write(r->out, b, report, err);
    writer_flush(r->out);
    return writer_ok(r->out, r->path, err) && ok;
}

bool recorder_close(Recorder *r, int status, Error *err)
{
    bool ok = true;
    if (r->out) {
        writer_end(r->out, 0, 0, status);
        ok = writer_ok(r->out, r->path, err);
        writer_free(r->out);
        if (close(r->fd) != 0 && ok)
            ok = error_set(err, "close %s:", r->path);
    }
    free(r->path);
    *r = (Recorder){.fd = -1};
    return ok;
}

bool replay_keep(Batch *b, const char *run, int64_t step, Error *err)
{
    char *folder = path_join(run, "collapse"), *path = xasprintf("%s/step-%06lld.vlrm", folder, (long long)step);
    AtomicFile f = {0};
    bool ok = folder_make(folder, err) && atomic_open(&f, path, err);
    if (ok) {
        Writer *w = writer_new(fileno(f.stream), path, 0);
        writer_header(w, "update", NULL, NULL, (Slice){NULL, 0}, NULL);
        ok = batch_write(w, b, NULL, err);
        writer_end(w, 0, 0, STATUS_CLEAN);
        ok = writer_ok(w, path, err) && ok;
        writer_free(w);
    }
    if (ok)
        ok = atomic_commit(&f, err);
    else if (f.path)
        atomic_abort(&f);
    free(path);
    free(folder);
    return ok;
}
