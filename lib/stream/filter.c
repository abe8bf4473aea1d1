/* The frame of every stage; see filter.h. */
#include "stream/filter.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/signals.h"

/* From weak to strong: what a stage ends with when several things went wrong. */
static int rank(int status)
{
    static const int order[] = {STATUS_CLEAN,   STATUS_SOME_FAILED, STATUS_EMPTY,    STATUS_INTERRUPTED, STATUS_CHECK,
                                STATUS_FAILURE, STATUS_MEMORY,      STATUS_MISMATCH, STATUS_CORRUPT};
    for (size_t i = 0; i < sizeof order / sizeof order[0]; i++)
        if (order[i] == status)
            return (int)i;
    return 5;
}

void filter_status(Filter *f, int status)
{
    if (rank(status) > rank(f->status))
        f->status = status;
}

void filter_init(Filter *f, const Program *program, char **operands, int n_operands, int zstd_level, const char *unit)
{
    static char *standard_input[] = {"-", NULL};
    *f = (Filter){
        .program = program, .operands = n_operands ? operands : standard_input, .n_operands = n_operands ? n_operands : 1};
    signals_init();
    progress_init(&f->progress, unit, 0);
    if (zstd_level >= 0) {
        f->out = writer_new(STDOUT_FILENO, "<stdout>", zstd_level);
        if (writer_error(f->out)->text[0])
            die_status(writer_error(f->out)->status, "%s", writer_error(f->out)->text);
    }
}

void filter_header_set(Filter *f, const char *key, json_t *value)
{
    if (!f->extra)
        f->extra = json_object();
    json_object_set_new(f->extra, key, value);
}

json_t *filter_upstream(const Filter *f)
{
    return f->in ? reader_header(f->in) : NULL;
}

/* Our header follows the first upstream one: "vlrm-rollout" is stage "rollout". */
static void begin(Filter *f, Slice upstream)
{
    if (f->began || !f->out)
        return;
    f->began = true;
    const char *name = f->program->name, *dash = strchr(name, '-');
    writer_header(f->out, dash ? dash + 1 : name, options_json(f->program), NULL, upstream, f->extra);
    f->extra = NULL;
}

static void check_output(Filter *f)
{
    const Error *err = f->out ? writer_error(f->out) : NULL;
    if (err && err->text[0])
        die_status(err->status, "%s", err->text);
}

/* Opens the next operand. False when there is none left. */
static bool open_next(Filter *f)
{
    Error err = {0};
    reader_free(f->in);
    f->in = NULL;
    if (f->current == f->n_operands)
        return false;
    f->in = reader_open(f->operands[f->current++], &err);
    if (!f->in)
        die("%s", err.text);
    return true;
}

/* Takes note of how an upstream segment ended: its failures travel down. */
static void segment_end(Filter *f)
{
    StreamEnd end = reader_end(f->in);
    f->upstream_failed += end.failed;
    if (end.status != STATUS_CLEAN) {
        if (end.status != STATUS_SOME_FAILED)
            warn("%s: upstream ended with status %d", reader_name(f->in), end.status);
        filter_status(f, end.status);
    }
}

/* Returns true with a record to hand out, false when the input has ended or failed for good. */
static bool take(Filter *f, Record *r, bool *done)
{
    *done = true;
    switch (reader_next_or_interrupt(f->in, r)) {
    case RECORD_HEADER:
        begin(f, reader_header_raw(f->in));
        *done = false;
        return false;
    case RECORD_DATA:
        f->records++;
        return true;
    case RECORD_BATCH:
        return true;
    case RECORD_END:
        segment_end(f);
        *done = false;
        return false;
    case RECORD_NONE:
        if (reader_cut(f->in)) {
            filter_status(f, STATUS_INTERRUPTED);
            return false;
        }
        *done = !open_next(f);
        return false;
    case RECORD_FAILED:
        warn("%s", reader_error(f->in)->text);
        filter_status(f, reader_error(f->in)->status);
        return false;
    }
    return false;
}

bool filter_next(Filter *f, Record *r)
{
    bool done = false;
    if (!f->in && (f->current > 0 || !open_next(f)))
        return false;
    check_output(f);
    while (!done) {
        if (f->out && reader_would_block(f->in))
            writer_flush(f->out);
        progress_update(&f->progress, f->records, NULL);
        if (interrupted()) {
            filter_status(f, STATUS_INTERRUPTED);
            break;
        }
        if (take(f, r, &done))
            return true;
    }
    reader_free(f->in);
    f->in = NULL;
    return false;
}

void filter_write(Filter *f, const Record *r, const char *group, const Packer *value)
{
    if (!group) {
        writer_forward(f->out, r);
    } else {
        Group g = {{group, strlen(group)}, {value->data, value->size}};
        writer_record(f->out, r->id, r, &g, 1);
    }
    check_output(f);
}

void filter_failed(Filter *f, const Record *r, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    warn("record %.*s: %s", (int)r->id.size, (const char *)r->id.data, text);
    f->failed++;
    filter_status(f, STATUS_SOME_FAILED);
    if (f->out)
        filter_write(f, r, NULL, NULL);
}

void filter_drop(Filter *f)
{
    f->filtered++;
}

int filter_finish(Filter *f)
{
    progress_end(&f->progress);
    if (f->out) {
        begin(f, (Slice){NULL, 0});
        writer_end(f->out, f->failed, f->filtered, f->status);
        check_output(f);
    }
    if (verbosity > 0 || f->failed > 0)
        warn("done %llu, failed %lld, filtered %lld",
             (unsigned long long)(f->records - (uint64_t)f->failed - (uint64_t)f->filtered), (long long)f->failed,
             (long long)f->filtered);
    writer_free(f->out);
    reader_free(f->in);
    json_decref(f->extra);
    f->out = NULL;
    f->in = NULL;
    f->extra = NULL;
    return f->status;
}
