/*
 * vlrm-cat: streams as JSON lines, JSON lines as streams, and some records of either.
 *
 * Every segment of the input becomes one segment of the output. It adds nothing to records and computes nothing.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "stream/filter.h"
#include "tools/best.h"
#include "tools/envelope.h"
#include "tools/fields.h"
#include "tools/outputs.h"

typedef enum From { FORM_STREAM, FORM_JSON, FORM_COCO } From;

static struct {
    From from;
    BinStyle bin;
    int64_t head, batch_index, zstd;
    bool count, header, jsonl;
    StringList ids, fields;
    const char *pictures, *captions, *best;
    Outputs out;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_ENUM("from", 0, &opt.from, "stream", "stream|json|coco",
             "read a stream, JSON lines as this program prints, or COCO result lists", .first = true),
    OPT_ENUM(
        "to", 0, &opt.out.to, "auto", "auto|stream|json|coco|csv",
        "write this kind; auto: a stream where the input is none, or with --zstd, else JSON lines; coco: a result list; csv: --fields as a table"),
    FILTER_OPTION_ZSTD(opt.zstd),
    OPT_ENUM("bin", 0, &opt.bin, "size", "base64|size|omit",
             "print binary in JSON lines as {\"$bin\": base64}, as \"<N bytes>\", or leave it out; only base64 can be read back"),
    OPT_STRING("images", 0, &opt.pictures, NULL, "DIR",
               "look for the pictures of --from=coco in this folder, by name, by stem or by the number that ends it"),
    OPT_STRING(
        "captions", 0, &opt.captions, NULL, "FILE",
        "give each record the caption that a COCO result list has of it; ids without a partner on either side are failures"),
    OPT_GROUP("Which records"),
    OPT_LIST("id", 0, &opt.ids, NULL, "ID", "take only the records with this id; several with commas, or repeated",
             .first = true),
    OPT_INT("batch-index", 0, &opt.batch_index, "-1", -1, 9e15, "K",
            "take only the records that batch record K closes; -1 for all"),
    OPT_INT("head", 'n', &opt.head, "-1", -1, 9e15, "N",
            "take only the first N; reading stops there, so what follows is not checked", .first = true),
    OPT_STRING("best", 0, &opt.best, NULL, "KEY",
               "keep of the captions of one picture only that whose number KEY is largest: reward.parts.itm"),
    OPT_GROUP("What of them"),
    OPT_LIST("fields", 'f', &opt.fields, NULL, "a,b.c", "print only these groups, or keys of them; the id stays", .first = true),
    OPT_FLAG_ON("header", 0, &opt.header, "print the header as the first line (default: unless --fields go to a terminal)"),
    OPT_FLAG("jsonl", 'j', &opt.jsonl, "print the records alone: no line for header, batch or end", .first = true),
    OPT_FLAG("count", 'c', &opt.count, "print only how many records there are"),
    OPT_GROUP("Files, besides what is printed"),
    OPT_STRING("save-images", 0, &opt.out.images, NULL, "DIR",
               "write frame.image of each record to DIR, named after its id (bytes that do not suit a file name as %XX)"),
    OPT_ENUM("write", 0, &opt.out.beside.kind, "no", "no|txt|caption|json",
             "write captions beside the pictures and videos that frame.source names: NAME.txt, NAME.caption, NAME.json"),
    OPT_STRING("prefix", 0, &opt.out.prefix, "", "TEXT", "put TEXT before each caption in those files and in shards"),
    OPT_FLAG("append", 0, &opt.out.beside.append, "add to files that are there", .may_change = true),
    OPT_FLAG("overwrite", 0, &opt.out.beside.overwrite, "replace files that are there"),
    OPT_FLAG("skip-existing", 0, &opt.out.beside.skip_existing,
             "leave files that are there; without any of the three they are failures"),
    OPT_STRING("webdataset", 0, &opt.out.shard_folder, NULL, "DIR",
               "write pictures and captions to DIR as tar shards: 00000.tar and 00000_stats.json, and so on"),
    OPT_INT("shard-samples", 0, &opt.out.shards.samples_most, "10000", 1, 999999, "N", "close a shard at N samples"),
    OPT_INT("shard-bytes", 0, &opt.out.shards.bytes_most, "1000000000", 1, 9e15, "N",
            "close it at N bytes of pictures and texts too"),
    OPT_FLAG("resume", 0, &opt.out.resume, "continue after the shards in DIR; records that they have are left out",
             .may_change = true),
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
        "is kept, count and digest are computed again. \"<N bytes>\" is refused, it has nothing to restore.",
    .examples = "vlrm-extract photos | vlrm-cat --fields frame.width,frame.height\n"
                "# Captions by hand become a stream:\n"
                "echo '{\"id\": \"1\", \"caption\": {\"text\": \"a red bus\"}}' | vlrm-cat --from=json | vlrm-cat\n"
                "vlrm-extract photos | vlrm-cat --save-images out --count\n"
                "vlrm-cat --to=csv --fields caption.text captions.vlrm > captions.csv\n"
                "# For trainers: photos/photo1.txt beside photos/photo1.jpg; and shards:\n"
                "vlrm-extract photos | vlrm-rollout --model blip2 | vlrm-cat --write txt --webdataset shards --count\n"
                "# Captions that others have made:\n"
                "echo '[{\"image_id\": 1, \"caption\": \"a red bus\"}]' | vlrm-cat --from=coco --images photos - | vlrm-cat",
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
    Best best;
    CocoJoin join;
    Waiting waiting;
    Packer scratch;
    int64_t printed, in_segment, in_batch; /* records chosen: in all, of this segment, of this batch */
    int64_t read;                          /* records of this segment */
    bool began, inside;                    /* a header came; a segment is open */
    int status;
} cat;

static bool done(void)
{
    return (opt.head >= 0 && cat.printed >= opt.head && cat.began) || (cat.out && writer_error(cat.out)->text[0]) ||
           ferror(stdout) || opt.out.stop;
}

/* ---- output ---- */

/* Whether records go to stdout, as a stream or as JSON lines. */
static bool has_records(void)
{
    return !opt.count && (opt.out.to == TO_STREAM || opt.out.to == TO_JSON);
}

/* Whether headers, batches and ends do. */
static bool has_envelope(void)
{
    return has_records() && !opt.jsonl;
}

/* A header of our own. */
static void put_own_header(Slice upstream)
{
    writer_header(cat.out, "cat", options_json(&program), NULL, upstream,
                  json_pack("{s:o}", "may_change", options_may_change(&program)));
}

static void put_header(void)
{
    cat.inside = cat.began = true;
    cat.in_segment = cat.in_batch = cat.read = 0;
    Slice header = reader_header_raw(cat.in);
    if (!has_envelope())
        return;
    if (!cat.out && opt.header)
        line_put(header, opt.bin);
    else if (!cat.out)
        return;
    else if (opt.from != FORM_STREAM)
        writer_header_raw(cat.out, header);
    else
        put_own_header(header);
}

static void print_record(const Record *r)
{
    Slice raw = r->raw;
    if (cat.printed == opt.head)
        return;
    cat.printed++;
    cat.in_segment++;
    cat.in_batch++;
    outputs_put(&opt.out, r);
    if (!cat.out && !opt.count) /* a stream's writer says so itself */
        progress_wrote();
    if (!has_records())
        return;
    if (opt.fields.count > 0) {
        fields_pack(&cat.scratch, r, &opt.fields);
        raw = (Slice){cat.scratch.data, cat.scratch.size};
    }
    if (cat.out)
        writer_forward(cat.out, &(Record){.kind = RECORD_DATA, .raw = raw});
    else
        line_put(raw, opt.bin);
}

static void put_record(const Record *r)
{
    Arena arena = {0};
    Record joined, best;
    if (opt.captions) {
        coco_join_record(&cat.join, r, &joined, &arena);
        r = &joined;
    }
    if (!opt.best)
        print_record(r);
    else if (best_take(&cat.best, opt.best, r, &best))
        print_record(&best);
    arena_release(&arena);
}

/* What --best still holds comes before a batch or a segment ends. */
static void put_best(void)
{
    Record best;
    if (opt.best && best_end(&cat.best, &best))
        print_record(&best);
}

static void put_batch(const Record *r)
{
    put_best();
    if (!has_envelope())
        return;
    const int64_t records = opt.ids.count > 0 || opt.best ? cat.in_batch : r->batch.records;
    if (cat.out)
        writer_batch(cat.out, r->batch.index, records, r->batch.step);
    else
        line_put_batch(r, records);
}

/* Ends the segment; r is NULL where its end record did not come. */
static void put_end(const Record *r, StreamEnd end)
{
    Record dropped;
    if (end.status != STATUS_INTERRUPTED && end.status != STATUS_CORRUPT)
        put_best();
    else /* more of that picture's captions may have been to come */
        (void)best_end(&cat.best, &dropped);
    cat.status = status_worse(cat.status, end.status);
    if (has_envelope() && cat.out)
        writer_end_with(cat.out, end.failed, end.filtered + cat.read - cat.in_segment, end.status, end_extra(r));
    else if (has_envelope())
        line_put_end(r, end, cat.in_segment, cat.in_segment == cat.read && opt.fields.count == 0);
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
    if (!cat.inside && cat.out && writer_records(cat.out) == 0 && status != STATUS_CLEAN) {
        put_own_header((Slice){NULL, 0});
        cat.inside = true;
    }
    if (cat.inside)
        put_end(NULL, (StreamEnd){.status = status});
}

static Reader *open_input(const char *path, Error *err)
{
    if (opt.from == FORM_STREAM)
        return reader_open(path, err);
    if (opt.from == FORM_JSON)
        return reader_open_json(path, err);
    int fd = coco_lines(path, opt.pictures, err);
    if (fd < 0)
        return NULL;
    char *name = xasprintf("/dev/fd/%d", fd);
    Reader *r = reader_open_json(name, err);
    free(name);
    close(fd);
    return r;
}

/* One operand; false when nothing more is to be read. */
static bool cat_file(const char *path)
{
    Error err = {0};
    Record r;
    cat.in = open_input(path, &err);
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
    bool cut = cat.status == STATUS_CORRUPT || cat.status == STATUS_INTERRUPTED;
    cat.status = outputs_end(&opt.out, cat.status);
    if (opt.captions && coco_join_end(&cat.join, !cut && opt.head < 0) > 0)
        cat.status = status_worse(cat.status, STATUS_SOME_FAILED);
    if (cat.out && writer_error(cat.out)->text[0]) {
        error_warn(writer_error(cat.out));
        cat.status = status_worse(cat.status, writer_error(cat.out)->status);
    }
    writer_free(cat.out);
    pack_release(&cat.scratch);
    best_release(&cat.best);
    free(cat.waiting.records);
    return finish_stdout(cat.status);
}

static void check_options(void)
{
    Outputs *out = &opt.out;
    if (out->to == TO_AUTO)
        out->to = opt.from != FORM_STREAM || opt.zstd > 0 ? TO_STREAM : TO_JSON;
    if (out->to != TO_STREAM && opt.zstd > 0)
        usage_error("--zstd compresses a stream; pipe JSON lines through zstd(1)");
    if (out->to == TO_STREAM && option_given(&program, "bin"))
        usage_error("--bin is for JSON lines; a stream has binary as it is");
    if (out->to != TO_JSON && (opt.jsonl || !opt.header))
        usage_error("%s is for JSON lines", opt.jsonl ? "--jsonl" : "--no-header");
    if (opt.jsonl || (opt.fields.count > 0 && isatty(STDOUT_FILENO) && !option_given(&program, "header")))
        opt.header = false;
    if (out->to == TO_CSV && opt.fields.count == 0)
        usage_error("--to=csv needs --fields: caption.text,frame.source, for example");
    if (opt.pictures && opt.from != FORM_COCO)
        usage_error("--images is for --from=coco");
    if ((out->beside.append || out->beside.overwrite || out->beside.skip_existing) && out->beside.kind == BESIDE_NONE)
        usage_error("--append, --overwrite and --skip-existing are for --write");
    if (out->beside.append + out->beside.overwrite + out->beside.skip_existing > 1)
        usage_error("give one of --append, --overwrite and --skip-existing");
    if (out->resume && !out->shard_folder)
        usage_error("--resume is for --webdataset");
    out->fields = opt.fields;
}

/* No file but the operands and the folder of images; where records say which files are read and written, those too. */
static void enclose(char **paths, size_t n)
{
    const Outputs *out = &opt.out;
    if (out->beside.kind != BESIDE_NONE || out->shard_folder || opt.from == FORM_COCO)
        sandbox_confine(opt.sandbox);
    else
        sandbox_enclose(opt.sandbox, &(SandboxFiles){(const char *const *)paths, n, &out->images, out->images != NULL});
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
    outputs_open(&opt.out);
    if (opt.captions && !coco_join_open(&cat.join, opt.captions, &err))
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    if (opt.out.to == TO_STREAM && !opt.count)
        cat.out = writer_new(STDOUT_FILENO, "<stdout>", (int)opt.zstd);
    char **paths = n > 0 ? operands : standard_input;
    enclose(paths, (size_t)n);
    bool more = true;
    for (int i = 0; more && paths[i]; i++)
        more = cat_file(paths[i]);
    return finish();
}
