/* Writing records; see stream.h. One buffer; what is larger than it goes straight to the descriptor. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zstd.h>

#include "base/digest.h"
#include "stream/stream.h"

enum { BUFFER = 1 << 20 };

struct Writer {
    int fd;
    char *name;   /* owned */
    char *buffer; /* owned */
    size_t used;
    ZSTD_CCtx *zstd; /* owned; NULL for plain */
    char *packed;    /* owned: compressed bytes on their way */
    Digest *digest;  /* owned */
    Packer scratch;
    uint64_t records;
    Error err;
};

Writer *writer_new(int fd, const char *name, int zstd_level)
{
    Writer *w = xcalloc(1, sizeof *w);
    w->fd = fd;
    w->name = xstrdup(name);
    w->buffer = xmalloc(BUFFER);
    w->digest = digest_new();
    if (isatty(fd))
        error_set_status(&w->err, STATUS_USAGE, "%s is a terminal: a stream is binary; pipe it into vlrm-cat to look at it",
                         name);
    if (zstd_level > 0) {
        w->zstd = ZSTD_createCCtx();
        if (!w->zstd)
            die_status(STATUS_MEMORY, "out of memory: a zstd context");
        ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_compressionLevel, zstd_level);
        ZSTD_CCtx_setParameter(w->zstd, ZSTD_c_checksumFlag, 1);
        w->packed = xmalloc(BUFFER);
    }
    return w;
}

void writer_free(Writer *w)
{
    if (!w)
        return;
    ZSTD_freeCCtx(w->zstd);
    digest_free(w->digest);
    pack_release(&w->scratch);
    free(w->packed);
    free(w->buffer);
    free(w->name);
    free(w);
}

static bool write_all(Writer *w, const char *data, size_t size)
{
    while (size > 0 && !w->err.text[0]) {
        ssize_t n = write(w->fd, data, size);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return error_set(&w->err, "write %s:", w->name);
        data += n;
        size -= (size_t)n;
    }
    return !w->err.text[0];
}

/* Sends data to the descriptor, compressed if asked; with `mode` flush or end, all that zstd holds back as well. */
static bool send_out(Writer *w, const char *data, size_t size, ZSTD_EndDirective mode)
{
    if (!w->zstd)
        return write_all(w, data, size);
    ZSTD_inBuffer in = {data, size, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {w->packed, BUFFER, 0};
        left = ZSTD_compressStream2(w->zstd, &out, &in, mode);
        if (ZSTD_isError(left))
            return error_set(&w->err, "compress %s: %s", w->name, ZSTD_getErrorName(left));
        if (!write_all(w, w->packed, out.pos))
            return false;
    } while (mode == ZSTD_e_continue ? in.pos < in.size : left > 0);
    return true;
}

static bool buffer_out(Writer *w, ZSTD_EndDirective mode)
{
    bool ok = (w->used == 0 && mode == ZSTD_e_continue) || send_out(w, w->buffer, w->used, mode);
    w->used = 0;
    return ok;
}

/* Bytes of the segment, digested. */
static void put(Writer *w, const void *data, size_t size)
{
    if (w->err.text[0] || size == 0)
        return;
    digest_update(w->digest, data, size);
    if (size > BUFFER - w->used)
        buffer_out(w, ZSTD_e_continue);
    if (size > BUFFER) {
        send_out(w, data, size, ZSTD_e_continue);
        return;
    }
    memcpy(w->buffer + w->used, data, size);
    w->used += size;
}

static void put_scratch(Writer *w)
{
    put(w, w->scratch.data, w->scratch.size);
    pack_reset(&w->scratch);
}

static bool ok(const Writer *w)
{
    return !w->err.text[0];
}

bool writer_header(Writer *w, const char *stage, json_t *params, json_t *inputs, Slice upstream, json_t *extra)
{
    Packer *p = &w->scratch;
    const char *key;
    json_t *value;
    size_t pairs = 3 + (params != NULL) + (inputs != NULL) + (upstream.data != NULL) + json_object_size(extra);
    digest_reset(w->digest);
    w->records = 0;
    pack_map(p, pairs);
    pack_string(p, "vlrm");
    pack_int(p, 1);
    pack_string(p, "stage");
    pack_string(p, stage);
    pack_string(p, "version");
    pack_string(p, VLRM_VERSION);
    if (params) {
        pack_string(p, "params");
        pack_json(p, params);
    }
    if (inputs) {
        pack_string(p, "inputs");
        pack_json(p, inputs);
    }
    json_object_foreach (extra, key, value) {
        pack_string(p, key);
        pack_json(p, value);
    }
    if (upstream.data) {
        pack_string(p, "upstream");
        pack_raw(p, upstream);
    }
    put_scratch(w);
    json_decref(params);
    json_decref(inputs);
    json_decref(extra);
    return ok(w);
}

static bool slices_equal(Slice a, Slice b)
{
    return a.size == b.size && memcmp(a.data, b.data, a.size) == 0;
}

static const Group *group_of(const Group *groups, size_t n, Slice name)
{
    for (size_t i = 0; i < n; i++)
        if (slices_equal(groups[i].name, name))
            return &groups[i];
    return NULL;
}

static void put_group(Writer *w, const Group *g)
{
    pack_string_n(&w->scratch, g->name.data, g->name.size);
    put_scratch(w);
    put(w, g->value.data, g->value.size);
}

bool writer_record(Writer *w, Slice id, const Record *from, const Group *groups, size_t n)
{
    size_t kept = from ? from->n_groups : 0, added = 0;
    for (size_t i = 0; i < n; i++)
        added += !from || !group_of(from->groups, kept, groups[i].name);
    pack_map(&w->scratch, 1 + kept + added);
    pack_string(&w->scratch, "id");
    pack_string_n(&w->scratch, id.data, id.size);
    put_scratch(w);
    for (size_t i = 0; i < kept; i++) {
        const Group *replacement = group_of(groups, n, from->groups[i].name);
        put_group(w, replacement ? replacement : &from->groups[i]);
    }
    for (size_t i = 0; i < n; i++)
        if (!from || !group_of(from->groups, kept, groups[i].name))
            put_group(w, &groups[i]);
    w->records++;
    return ok(w);
}

bool writer_forward(Writer *w, const Record *record)
{
    put(w, record->raw.data, record->raw.size);
    w->records += record->kind == RECORD_DATA;
    return ok(w);
}

bool writer_batch(Writer *w, int64_t index, int64_t records, int64_t step)
{
    Packer *p = &w->scratch;
    pack_map(p, 1);
    pack_string(p, "batch");
    pack_map(p, step >= 0 ? 3 : 2);
    pack_string(p, "index");
    pack_int(p, index);
    pack_string(p, "records");
    pack_int(p, records);
    if (step >= 0) {
        pack_string(p, "step");
        pack_int(p, step);
    }
    put_scratch(w);
    return ok(w);
}

bool writer_end(Writer *w, int64_t failed, int64_t filtered, int status)
{
    char digest[17];
    Packer *p = &w->scratch;
    pack_map(p, 1);
    pack_string(p, "end");
    pack_map(p, 5);
    pack_string(p, "records");
    pack_int(p, (int64_t)w->records);
    pack_string(p, "failed");
    pack_int(p, failed);
    pack_string(p, "filtered");
    pack_int(p, filtered);
    pack_string(p, "status");
    pack_int(p, status);
    pack_string(p, "digest");
    put_scratch(w);
    snprintf(digest, sizeof digest, "%016llx", (unsigned long long)digest_value(w->digest));
    pack_string(p, digest);
    put_scratch(w);
    return buffer_out(w, ZSTD_e_end) && ok(w);
}

bool writer_flush(Writer *w)
{
    return buffer_out(w, ZSTD_e_flush) && ok(w);
}

const Error *writer_error(const Writer *w)
{
    return &w->err;
}

uint64_t writer_records(const Writer *w)
{
    return w->records;
}
