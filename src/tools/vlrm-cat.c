/*
 * vlrm-cat: streams as JSON lines, JSON lines as streams, and some records of either.
 *
 * Every segment of the input becomes one segment of the output. It adds nothing to records and computes nothing.
 */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "stream/filter.h"
#include "tools/fields.h"
#include "tools/images.h"

typedef enum From { FORM_STREAM, FORM_JSON } From;
typedef enum To { TO_AUTO, TO_STREAM, TO_JSON } To;

static struct {
    From from;
    To to;
    BinStyle bin;
    int64_t head, batch_index, zstd;
    bool count;
    StringList ids, fields;
    const char *images;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_ENUM("from", 0, &opt.from, "stream", "stream|json", "what is read: a stream, or JSON lines as this program prints"),
    OPT_ENUM("to", 0, &opt.to, "auto", "auto|stream|json",
             "what is written; auto: a stream from JSON lines or with --zstd, else JSON lines"),
    FILTER_OPTION_ZSTD(opt.zstd),
    OPT_ENUM("bin", 0, &opt.bin, "size", "base64|size|omit",
             "binary in JSON lines: {\"$bin\": base64}, \"<N bytes>\", or left out; only base64 can be read back"),
    OPT_GROUP("Which records"),
    OPT_LIST("id", 0, &opt.ids, NULL, "ID", "only the records with this id; several with commas, or repeated"),
    OPT_INT("batch-index", 0, &opt.batch_index, "-1", -1, 9e15, "K", "only the records that batch record K closes; -1 for all"),
    OPT_INT("head", 'n', &opt.head, "-1", -1, 9e15, "N", "only the first N; reading stops there, so what follows is not checked"),
    OPT_GROUP("What of them"),
    OPT_LIST("fields", 'f', &opt.fields, NULL, "a,b.c", "only these groups, or keys of them; the id stays"),
    OPT_FLAG("count", 'c', &opt.count, "print only how many records there are"),
    OPT_STRING("save-images", 0, &opt.images, NULL, "DIR",
               "write frame.image of each record to DIR, named after its id (bytes that do not suit a file name as %XX)"),
    OPT_GROUP("General"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-cat",
    .summary = "print streams of records as JSON lines, and turn such lines into streams",
    .operands = "[file|-]...",
    .input = "any groups; or JSON lines",
    .output = "JSON lines; or the same groups",
    .description =
        "One line for each header, record, batch record and end record. A stream that is cut short or corrupt is printed as far "
        "as it goes; the end line then has the status 5, which is also the exit status. The status of an end record becomes the "
        "exit status.\n\n"
        "With --from=json, lines without a header get one, and an end; after a header line the end line is required: its status "
        "is kept, count and digest are made anew. \"<N bytes>\" is refused, it has nothing to restore.",
    .examples = "vlrm-extract photos | vlrm-cat --fields frame.width,frame.height\n"
                "# Captions by hand become a stream:\n"
                "echo '{\"id\": \"1\", \"caption\": {\"text\": \"a red bus\"}}' | vlrm-cat --from=json | vlrm-cat\n"
                "vlrm-extract photos | vlrm-cat --save-images out --count",
    .options = options,
};

/* ---- state ---- */

/* Records of a batch that is not closed yet: --batch-index knows only at its end whether they are wanted. */
typedef struct Waiting {
    Slice *records; /* owned, and the bytes of each */
    size_t count, capacity;
} Waiting;

static struct {
    Reader *in;
    Writer *out; /* NULL for JSON lines */
    ImageFolder images;
    Waiting waiting;
    Packer scratch;
    int64_t printed, in_segment, in_batch; /* records chosen: in all, of this segment, of this batch */
    int64_t read;                          /* records of this segment */
    bool inside;
    int status;
} cat;

static bool done(void)
{
    return (opt.head >= 0 && cat.printed >= opt.head) || (cat.out && writer_error(cat.out)->text[0]) || ferror(stdout);
}

/* ---- output ---- */

static void print_json(Slice value)
{
    json_t *j = slice_json_as(value, opt.bin);
    size_t n;
    char *line = json_line(j, &n);
    line[n] = '\n';
    fwrite(line, 1, n + 1, stdout);
    free(line);
    json_decref(j);
}

static void put_header(void)
{
    cat.inside = true;
    cat.in_segment = cat.in_batch = cat.read = 0;
    Slice header = reader_header_raw(cat.in);
    if (opt.count)
        return;
    if (!cat.out)
        print_json(header);
    else if (opt.from == FORM_JSON)
        writer_header_raw(cat.out, header);
    else
        writer_header(cat.out, "cat", options_json(&program), NULL, header, NULL);
}

static void put_record(const Record *r)
{
    Error err = {0};
    Slice raw = r->raw;
    if (cat.printed == opt.head)
        return;
    cat.printed++;
    cat.in_segment++;
    cat.in_batch++;
    if (opt.images && !images_save(&cat.images, r, &err)) {
        warn("record %.*s: %s", (int)(r->id.size < 200 ? r->id.size : 200), (const char *)r->id.data, err.text);
        cat.status = status_worse(cat.status, STATUS_SOME_FAILED);
    }
    if (opt.count)
        return;
    if (opt.fields.count > 0) {
        fields_pack(&cat.scratch, r, &opt.fields);
        raw = (Slice){cat.scratch.data, cat.scratch.size};
    }
    if (cat.out)
        writer_forward(cat.out, &(Record){.kind = RECORD_DATA, .raw = raw});
    else
        print_json(raw);
}

static void put_batch(const Record *r)
{
    if (opt.count)
        return;
    Packer p = {0};
    pack_map_begin(&p);
    pack_key(&p, "batch");
    pack_map_begin(&p);
    pack_field_int(&p, "index", r->batch.index);
    pack_field_int(&p, "records", opt.ids.count > 0 ? cat.in_batch : r->batch.records);
    if (r->batch.step >= 0)
        pack_field_int(&p, "step", r->batch.step);
    pack_map_end(&p);
    pack_map_end(&p);
    Slice batch = {p.data, p.size};
    if (cat.out)
        writer_forward(cat.out, &(Record){.kind = RECORD_BATCH, .raw = batch});
    else
        print_json(batch);
    pack_release(&p);
}

/* Prints the end record with the count of what was printed; its digest only where nothing was left out. */
static void print_end(const Record *r, StreamEnd end)
{
    json_t *all = r ? slice_json(r->raw) : json_pack("{s:{}}", "end");
    json_t *e = json_object_get(all, "end");
    json_object_set_new(e, "records", json_integer(cat.in_segment));
    json_object_set_new(e, "failed", json_integer(end.failed));
    json_object_set_new(e, "filtered", json_integer(end.filtered));
    json_object_set_new(e, "status", json_integer(end.status));
    if (cat.in_segment != cat.read || opt.fields.count > 0)
        json_object_del(e, "digest");
    char *line = json_line(all, NULL);
    puts(line);
    free(line);
    json_decref(all);
}

static json_t *end_extra(const Record *r)
{
    json_t *all = r ? slice_json(r->raw) : NULL, *e = json_object_get(all, "end");
    static const char *const ours[] = {"records", "failed", "filtered", "status", "digest"};
    for (size_t i = 0; i < sizeof ours / sizeof ours[0]; i++)
        json_object_del(e, ours[i]);
    json_incref(e);
    json_decref(all);
    return e;
}

/* Ends the segment; r is NULL where its end record did not come. */
static void put_end(const Record *r, StreamEnd end)
{
    cat.status = status_worse(cat.status, end.status);
    if (!opt.count && cat.out)
        writer_end_with(cat.out, end.failed, end.filtered + cat.read - cat.in_segment, end.status, end_extra(r));
    else if (!opt.count)
        print_end(r, end);
    cat.inside = false;
}

/* ---- batches ---- */

static void waiting_add(const Record *r)
{
    Waiting *w = &cat.waiting;
    w->records = array_reserve(w->records, &w->capacity, w->count + 1, sizeof *w->records);
    w->records[w->count++] = (Slice){memcpy(xmalloc(r->raw.size), r->raw.data, r->raw.size), r->raw.size};
}

static void waiting_end(bool wanted)
{
    Arena arena = {0};
    for (size_t i = 0; i < cat.waiting.count; i++) {
        Record r;
        Error err = {0};
        Slice raw = cat.waiting.records[i];
        if (wanted && !record_parse(raw, &r, &arena, &err))
            bug("%s", err.text);
        if (wanted)
            put_record(&r);
        free((void *)(uintptr_t)raw.data);
    }
    cat.waiting.count = 0;
    arena_release(&arena);
}

/* ---- input ---- */

static bool id_wanted(Slice id)
{
    for (size_t i = 0; i < opt.ids.count; i++)
        if (slice_equal(id, opt.ids.items[i]))
            return true;
    return opt.ids.count == 0;
}

static void take_batch(const Record *r)
{
    bool wanted = opt.batch_index < 0 || r->batch.index == opt.batch_index;
    waiting_end(wanted);
    if (wanted && !done())
        put_batch(r);
    cat.in_batch = 0;
}

static void take(const Record *r)
{
    switch (r->kind) {
    case RECORD_HEADER:
        put_header();
        break;
    case RECORD_DATA:
        cat.read++;
        progress_read();
        if (id_wanted(r->id) && opt.batch_index >= 0)
            waiting_add(r);
        else if (id_wanted(r->id))
            put_record(r);
        break;
    case RECORD_BATCH:
        take_batch(r);
        break;
    case RECORD_END:
        waiting_end(false);
        put_end(r, reader_end(cat.in));
        break;
    case RECORD_NONE:
    case RECORD_FAILED:
        break;
    }
}

/* Output goes out before input is waited for. */
static void flush_before_waiting(void)
{
    if (!reader_would_block(cat.in))
        return;
    if (cat.out && cat.inside)
        writer_flush(cat.out);
    else
        fflush(stdout);
}

/* Says why a segment ends early, and ends it with that status. */
static void end_early(int status)
{
    cat.status = status_worse(cat.status, status);
    waiting_end(false);
    if (!cat.inside && cat.out && !opt.count && writer_records(cat.out) == 0 && status != STATUS_CLEAN) {
        writer_header(cat.out, "cat", options_json(&program), NULL, (Slice){NULL, 0}, NULL);
        cat.inside = true;
    }
    if (cat.inside)
        put_end(NULL, (StreamEnd){.status = status});
}

/* One operand; false when nothing more is to be read. */
static bool cat_file(const char *path)
{
    Error err = {0};
    Record r;
    cat.in = opt.from == FORM_JSON ? reader_open_json(path, &err) : reader_open(path, &err);
    if (!cat.in)
        die_status(err.status, "%s", err.text);
    RecordKind kind = RECORD_NONE;
    while (!done()) {
        progress_show();
        flush_before_waiting();
        kind = reader_next_or_interrupt(cat.in, &r);
        if (kind == RECORD_NONE || kind == RECORD_FAILED)
            break;
        take(&r);
    }
    bool failed = kind == RECORD_FAILED;
    if (failed)
        warn("%s", reader_error(cat.in)->text);
    if (failed)
        end_early(reader_error(cat.in)->status);
    else if (reader_cut(cat.in) || interrupted())
        end_early(STATUS_INTERRUPTED);
    else if (done() && cat.inside)
        end_early(STATUS_CLEAN);
    bool more = !failed && !done() && !reader_cut(cat.in);
    reader_free(cat.in);
    return more;
}

static int finish(void)
{
    if (opt.count)
        printf("%" PRId64 "\n", cat.printed);
    if (opt.images && cat.images.without > 0)
        note("%zu records have no frame.image", cat.images.without);
    if (cat.out && writer_error(cat.out)->text[0]) {
        warn("%s", writer_error(cat.out)->text);
        cat.status = status_worse(cat.status, writer_error(cat.out)->status);
    }
    writer_free(cat.out);
    pack_release(&cat.scratch);
    free(cat.waiting.records);
    return finish_stdout(cat.status);
}

static void check_options(void)
{
    if (opt.to == TO_AUTO)
        opt.to = opt.from == FORM_JSON || opt.zstd > 0 ? TO_STREAM : TO_JSON;
    if (opt.to == TO_JSON && opt.zstd > 0)
        usage_error("--zstd compresses a stream; pipe JSON lines through zstd(1)");
    if (opt.to == TO_STREAM && option_given(&program, "bin"))
        usage_error("--bin is for JSON lines; a stream has binary as it is");
}

int main(int argc, char **argv)
{
    static char *standard_input[] = {"-", NULL};
    int n;
    Error err = {0};
    char **operands = options_parse(&program, argc, argv, &n);
    check_options();
    signals_init();
    progress_begin("records");
    if (isatty(STDOUT_FILENO))
        progress_quiet();
    if (opt.images && !images_open(&cat.images, opt.images, &err))
        die("%s", err.text);
    if (opt.to == TO_STREAM && !opt.count)
        cat.out = writer_new(STDOUT_FILENO, "<stdout>", (int)opt.zstd);
    else
        signal(SIGPIPE, SIG_DFL); /* lines into head(1) end as those of any text tool do */
    char **paths = n > 0 ? operands : standard_input;
    sandbox_enclose(opt.sandbox, &(SandboxFiles){(const char *const *)paths, (size_t)n, &opt.images, opt.images != NULL});
    bool more = true;
    for (int i = 0; more && paths[i]; i++)
        more = cat_file(paths[i]);
    return finish();
}
