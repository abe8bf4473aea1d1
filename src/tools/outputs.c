/* Lists, tables and files of records; see outputs.h. */
#include "tools/outputs.h"

#include <stdio.h>

#include "stream/filter.h"
#include "tools/csv.h"

void outputs_open(Outputs *o)
{
    Error err = {0};
    o->beside.prefix = o->shards.prefix = o->prefix;
    o->shards.folder = o->shard_folder;
    bool ok = !o->images || images_open(&o->image_folder, o->images, &err);
    if (ok && o->shard_folder)
        ok = shards_open(&o->shards, o->resume, &err);
    if (!ok)
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    if (o->to == TO_CSV)
        csv_head(&o->fields);
}

static void failed(Outputs *o, const Record *r, const char *why)
{
    o->failed++;
    warn("record %.*s: %s", (int)(r->id.size < 200 ? r->id.size : 200), r->id.data, why);
}

/* Nothing more can be written. */
static void give_up(Outputs *o, const Error *err)
{
    if (err->text[0])
        warn("%s", err->text);
    o->stop = true;
}

void outputs_put(Outputs *o, const Record *r)
{
    Error err = {0}, last = {0};
    if (o->images && !images_save(&o->image_folder, r, &err))
        failed(o, r, err.text);
    if (o->beside.kind != BESIDE_NONE && !beside_take(&o->beside, r))
        give_up(o, &last);
    err = (Error){0};
    if (o->to == TO_CSV)
        csv_row(r, &o->fields);
    else if (o->to == TO_COCO && !coco_put(&o->coco, r, &err))
        failed(o, r, err.text);
    if (o->shard_folder && !o->stop && !shards_take(&o->shards, r, &last))
        give_up(o, &last);
}

/* A sample in hand is whole when its input ended, or another would have come. */
static bool whole_after(int status)
{
    return status == STATUS_CLEAN || status == STATUS_SOME_FAILED || status == STATUS_EMPTY;
}

static void say_files(const Outputs *o)
{
    const Beside *b = &o->beside;
    const Shards *s = &o->shards;
    if (b->kind != BESIDE_NONE && (b->kept > 0 || b->failed > 0 || verbosity > 0))
        warn("wrote %lld files beside their pictures, %lld were there and were left, %lld could not be written",
             (long long)b->written, (long long)b->kept, (long long)b->failed);
    if (o->shard_folder && (s->skipped > 0 || s->failed > 0 || verbosity > 0))
        warn("wrote %lld samples, %lld records were there already, %lld samples could not be written", (long long)s->written,
             (long long)s->skipped, (long long)s->failed);
}

int outputs_end(Outputs *o, int status)
{
    Error err = {0};
    bool whole = whole_after(status) && !o->stop;
    if (o->beside.kind != BESIDE_NONE && !beside_end(&o->beside, whole))
        o->stop = true;
    if (o->to == TO_COCO)
        coco_end(&o->coco);
    if (o->shard_folder && !shards_end(&o->shards, whole || status == STATUS_INTERRUPTED, &err))
        give_up(o, &err);
    if (o->images && o->image_folder.without > 0)
        note("%zu records have no frame.image", o->image_folder.without);
    say_files(o);
    if (o->failed + o->beside.failed + o->shards.failed > 0)
        status = status_worse(status, STATUS_SOME_FAILED);
    return o->stop ? status_worse(status, STATUS_FAILURE) : status;
}
