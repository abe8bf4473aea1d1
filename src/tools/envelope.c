/* Header, batch and end as JSON lines; see envelope.h. */
#include "tools/envelope.h"

#include <stdio.h>
#include <stdlib.h>

void line_put(Slice value, BinStyle bin)
{
    json_line_put(stdout, slice_json_as(value, bin));
}

void line_put_batch(const Record *r, int64_t records)
{
    Packer p = {0};
    pack_map_begin(&p);
    pack_key(&p, "batch");
    pack_map_begin(&p);
    pack_field_int(&p, "index", r->batch.index);
    pack_field_int(&p, "records", records);
    if (r->batch.step >= 0)
        pack_field_int(&p, "step", r->batch.step);
    pack_map_end(&p);
    pack_map_end(&p);
    line_put((Slice){p.data, p.size}, BIN_BASE64);
    pack_release(&p);
}

void line_put_end(const Record *r, StreamEnd end, int64_t records, bool whole)
{
    json_t *all = r ? slice_json(r->raw) : json_pack("{s:{}}", "end");
    json_t *e = json_object_get(all, "end");
    json_object_set_new(e, "records", json_integer(records));
    json_object_set_new(e, "failed", json_integer(end.failed));
    json_object_set_new(e, "filtered", json_integer(end.filtered));
    json_object_set_new(e, "status", json_integer(end.status));
    if (!whole)
        json_object_del(e, "digest");
    json_line_put(stdout, all);
}

json_t *end_extra(const Record *r)
{
    json_t *all = r ? slice_json(r->raw) : NULL, *e = json_object_get(all, "end");
    static const char *const ours[] = {"records", "failed", "filtered", "status", "digest"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        json_object_del(e, ours[i]);
    json_incref(e);
    json_decref(all);
    return e;
}
