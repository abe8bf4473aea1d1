/* The frame of every stage; see filter.h. */
#include "stream/filter.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/progress.h"
#include "base/signals.h"

enum { UPSTREAMS_MAX = 64 };

/* ---- status ---- */

static int status_rank(int status)
{
    static const int order[] = {0, 3, 4, 75, 7, 141, 1, 8, 6, 5};
    int n = (int)(sizeof order / sizeof order[0]);
    for (int i = 0; i < n; i++)
        if (order[i] == status)
            return i;
    return status_rank(STATUS_FAILURE);
}

int status_worse(int a, int b)
{
    return status_rank(b) > status_rank(a) ? b : a;
}

void filter_status(Filter *f, int status)
{
    f->status = status_worse(f->status, status);
}

/* ---- headers of further segments ---- */

/* Keeps a header that differs from those kept. */
static void upstream_keep(Filter *f, json_t *header)
{
    if (!f->upstreams)
        f->upstreams = json_array();
    if (json_equal(f->first_upstream, header))
        return;
    for (size_t i = 0; i < json_array_size(f->upstreams); i++)
        if (json_equal(json_array_get(f->upstreams, i), header))
            return;
    if (json_array_size(f->upstreams) < UPSTREAMS_MAX)
        json_array_append(f->upstreams, header);
    else
        f->upstreams_more++;
}

static void upstream_end(Filter *f)
{
    StreamEnd end = reader_end(f->in);
    f->upstream_failed += end.failed;
    filter_status(f, end.status);
    json_t *more = end.upstreams.size ? slice_json(end.upstreams) : NULL;
    for (size_t i = 0; i < json_array_size(more); i++)
        upstream_keep(f, json_array_get(more, i));
    json_decref(more);
}

/* ---- input ---- */

static bool input_open(Filter *f)
{
    Error err = {0};
    f->in = reader_open(f->operands[f->current], &err);
    if (!f->in) {
        warn("%s", err.text);
        filter_status(f, err.status);
    }
    return f->in;
}

static void operands_check(char **operands, int n)
{
    for (int i = 0; i < n; i++)
        if (strcmp(operands[i], "-") != 0 && access(operands[i], R_OK) != 0)
            die("open %s:", operands[i]);
}

/* A failed write ends the stage: nobody reads what it does. One that prints (no writer) ends by finish_stdout. */
static bool output_failed(Filter *f)
{
    if (!f->out)
        return ferror(stdout);
    if (!writer_error(f->out)->text[0])
        return false;
    if (!f->reported)
        error_warn(writer_error(f->out));
    f->reported = true;
    filter_status(f, writer_error(f->out)->status);
    return true;
}

/* The next record of any kind from the operands in turn. */
static RecordKind input_next(Filter *f, Record *r)
{
    while (f->in || (f->current < f->n_operands && input_open(f))) {
        if (interrupted()) {
            filter_status(f, STATUS_INTERRUPTED);
            return RECORD_NONE;
        }
        if (f->out && f->began && reader_would_block(f->in))
            writer_flush(f->out);
        RecordKind kind = reader_next_or_interrupt(f->in, r);
        if (kind == RECORD_FAILED) {
            warn("%s", reader_error(f->in)->text);
            filter_status(f, reader_error(f->in)->status);
            f->current = f->n_operands;
            return kind;
        }
        if (kind == RECORD_NONE && reader_cut(f->in)) {
            filter_status(f, STATUS_INTERRUPTED);
            return kind;
        }
        if (kind != RECORD_NONE)
            return kind;
        reader_free(f->in);
        f->in = NULL;
        f->current++;
    }
    return RECORD_NONE;
}

void filter_init(Filter *f, const Program *program, char **operands, int n_operands, int zstd_level, const char *unit)
{
    static char *standard_input[] = {"-", NULL};
    *f = (Filter){.program = program, .operands = operands, .n_operands = n_operands, .extra = json_object()};
    if (n_operands == 0) {
        f->operands = standard_input;
        f->n_operands = 1;
    }
    operands_check(f->operands, f->n_operands);
    signals_init();
    progress_begin(unit);
    progress_files(f->operands, f->n_operands);
    if (zstd_level >= 0) {
        if (isatty(STDOUT_FILENO))
            die_status(STATUS_USAGE, "<stdout> is a terminal: a stream is binary; redirect it, or look at it with vlrm-cat");
        f->out = writer_new(STDOUT_FILENO, "<stdout>", zstd_level);
    }
}

void filter_header_set(Filter *f, const char *key, json_t *value)
{
    if (f->began)
        bug("header key %s after the header was written", key);
    json_object_set_new(f->extra, key, value);
}

json_t *filter_upstream(const Filter *f)
{
    return f->in && reader_header(f->in) ? reader_header(f->in) : f->first_upstream; /* NULL before the first */
}

Slice filter_upstream_raw(const Filter *f)
{
    return f->in && reader_header(f->in) ? reader_header_raw(f->in) : (Slice){f->first_raw.data, f->first_raw.size};
}

/* "rollout" of "vlrm-rollout". */
static const char *stage_name(const Program *p)
{
    return strncmp(p->name, "vlrm-", 5) == 0 ? p->name + 5 : p->name;
}

/* Our header follows the first one read, or none when there was none. */
static void begin(Filter *f)
{
    if (f->began)
        return;
    f->began = true;
    if (!f->out)
        return;
    json_t *extra = json_pack("{s:o}", "may_change", options_may_change(f->program));
    json_object_update(extra, f->extra);
    writer_header(f->out, stage_name(f->program), options_json(f->program), NULL, (Slice){f->first_raw.data, f->first_raw.size},
                  extra);
}

static void header_take(Filter *f)
{
    if (f->first_upstream) {
        upstream_keep(f, reader_header(f->in));
        return;
    }
    f->first_upstream = json_incref(reader_header(f->in));
    pack_raw(&f->first_raw, reader_header_raw(f->in));
    begin(f);
}

/* ---- records ---- */

bool filter_next(Filter *f, Record *r)
{
    while (!output_failed(f)) {
        RecordKind kind = input_next(f, r);
        progress_show();
        switch (kind) {
        case RECORD_DATA:
            f->records++;
            progress_read();
            return true;
        case RECORD_BATCH:
            return true;
        case RECORD_HEADER:
            header_take(f);
            break;
        case RECORD_END:
            upstream_end(f);
            break;
        default:
            return false;
        }
    }
    return false;
}

void filter_write(Filter *f, const Record *r, const char *group, const Packer *value)
{
    if (!f->out)
        return;
    if (r->kind == RECORD_BATCH) {
        /* The batch that goes out is smaller than the one that came in by what was dropped. */
        int64_t left = r->batch.records - f->dropped;
        writer_batch(f->out, r->batch.index, left > 0 ? left : 0, r->batch.step);
    } else if (group) {
        Group g = {{group, strlen(group)}, {value->data, value->size}};
        writer_record(f->out, r->id, r, &g, 1);
    } else {
        writer_forward(f->out, r);
    }
    if (r->kind == RECORD_BATCH)
        f->dropped = 0;
}

void filter_failed(Filter *f, const Record *r, const char *format, ...)
{
    char why[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(why, sizeof why, format, args);
    va_end(args);
    warn("record %.*s: %s", (int)(r->id.size < 200 ? r->id.size : 200), (const char *)r->id.data, why);
    f->failed++;
    progress_failed(1);
    filter_status(f, STATUS_SOME_FAILED);
    filter_write(f, r, NULL, NULL);
}

void filter_refuse_mismatch(const Record *r, const Error *err)
{
    if (err->status == STATUS_MISMATCH)
        die_status(STATUS_MISMATCH, "record %.*s: %s", (int)(r->id.size < 200 ? r->id.size : 200), r->id.data, err->text);
}

void filter_drop(Filter *f)
{
    f->filtered++;
    f->dropped++;
}

/* ---- the end ---- */

json_t *filter_end_keys(const Filter *f)
{
    json_t *extra = json_object();
    if (f->upstream_failed > 0)
        json_object_set_new(extra, "upstream_failed", json_integer(f->upstream_failed));
    if (json_array_size(f->upstreams) > 0)
        json_object_set(extra, "upstreams", f->upstreams);
    if (f->upstreams_more > 0)
        json_object_set_new(extra, "upstreams_more", json_integer(f->upstreams_more));
    return extra;
}

int filter_finish(Filter *f)
{
    begin(f);
    progress_hide();
    if (f->out && !output_failed(f))
        writer_end_with(f->out, f->failed, f->filtered, f->status, filter_end_keys(f));
    output_failed(f);
    if (f->failed > 0 || verbosity > 0)
        warn("done %" PRIu64 ", failed %" PRId64 ", filtered %" PRId64, f->records - (uint64_t)f->failed - (uint64_t)f->filtered,
             f->failed, f->filtered);
    if (f->out && close(STDOUT_FILENO) != 0) {
        warn("close <stdout>:");
        filter_status(f, STATUS_FAILURE);
    }
    reader_free(f->in);
    writer_free(f->out);
    json_decref(f->extra);
    json_decref(f->upstreams);
    json_decref(f->first_upstream);
    pack_release(&f->first_raw);
    return f->status;
}
