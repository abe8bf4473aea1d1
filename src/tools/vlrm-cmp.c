/*
 * vlrm-cmp: whether two streams hold the same records, within a tolerance per field, and where they do not.
 *
 * Record by record, in order. It does not look for records that moved: after two ids that differ, nothing is compared.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/progress.h"
#include "base/sandbox.h"
#include "base/signals.h"
#include "stream/filter.h"
#include "tools/compare.h"

static struct {
    StringList tolerances, ignore;
    bool header;
    int64_t show;
    Sandbox sandbox;
} opt;

static const Option options[] = {
    OPT_LIST(
        "tolerance", 't', &opt.tolerances, NULL, "FIELD=T",
        "take numbers of FIELD (and of what lies below it) as the same when |a - b| <= T max(1, |a|, |b|); without FIELD: of every field not named. Without this option, numbers must be equal"),
    OPT_LIST("ignore", 'i', &opt.ignore, NULL, "FIELD", "do not compare this group or key: reward, caption.policy"),
    OPT_FLAG("header", 0, &opt.header, "compare the headers too"),
    OPT_INT("show", 'n', &opt.show, "10", 0, 9e15, "N", "print the first N differences"),
    SANDBOX_OPTION(opt.sandbox),
    OPT_END,
};

static const Program program = {
    .name = "vlrm-cmp",
    .summary = "compare two streams within a tolerance per field",
    .operands = "file|- file|-",
    .input = "any groups, twice",
    .output = "a line for each difference: record, field, both values",
    .description =
        "The streams are the same when they have the same records in the same order, the same batch records but for their "
        "digests, and end records with the same counts and status. Whether a number is packed as an integer or a real, and the order of keys, is the "
        "same; how the segments are compressed too. Headers are not compared unless asked for.\n\n"
        "Exit status 0: the same. 7: not. 5: one of them is cut short or corrupt.",
    .examples = "echo '{\"id\": \"1\", \"reward\": {\"sim\": 4.88}}' | vlrm-cat --from=json >a.vlrm; vlrm-cmp --tolerance "
                "reward.sim=1e-5 a.vlrm a.vlrm",
    .options = options,
};

static Reader *open_stream(const char *path)
{
    Error err = {0};
    Reader *r = reader_open(path, &err);
    if (!r)
        die_status(err.status, "%s", err.text);
    return r;
}

static RecordKind next(Reader *r, Record *record)
{
    RecordKind kind = reader_next_or_interrupt(r, record);
    if (kind == RECORD_FAILED)
        die_status(reader_error(r)->status, "%s", reader_error(r)->text);
    if (reader_cut(r))
        die_status(STATUS_INTERRUPTED, "interrupted: not compared to the end");
    return kind;
}

/* Between segments `cat a b` and one segment are the same to the eye: ends and headers are compared only where both have them. */
static const char *kind_name(RecordKind kind)
{
    static const char *const names[] = {"a header", "a record", "a batch record", "an end record", "the end of the stream",
                                        "nothing"};
    return names[kind];
}

static bool ids_same(Comparison *c, const Record *a, const Record *b)
{
    if (a->id.size == b->id.size && memcmp(a->id.data, b->id.data, a->id.size) == 0)
        return true;
    difference(c, "id", "%.*s, %.*s: nothing more is compared", (int)a->id.size, (const char *)a->id.data, (int)b->id.size,
               (const char *)b->id.data);
    return false;
}

static void ends_compare(Comparison *c, StreamEnd a, StreamEnd b)
{
    const struct {
        const char *name;
        int64_t a, b;
    } counts[] = {{"records", a.records, b.records},
                  {"failed", a.failed, b.failed},
                  {"filtered", a.filtered, b.filtered},
                  {"status", a.status, b.status}};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        if (counts[i].a != counts[i].b)
            difference(c, "end", "%s: %" PRId64 ", %" PRId64, counts[i].name, counts[i].a, counts[i].b);
}

/* Compares two records of one kind; false when there is no going on. */
static bool records_compare(Comparison *c, Reader *const in[2], const Record r[2])
{
    char *where;
    switch (r[0].kind) {
    case RECORD_DATA:
        if (!ids_same(c, &r[0], &r[1]))
            return false;
        where = xasprintf("record %.*s", (int)r[0].id.size, (const char *)r[0].id.data);
        values_same(c, where, "", r[0].raw, r[1].raw);
        free(where);
        return true;
    case RECORD_BATCH:
        where = xasprintf("batch %" PRId64, r[0].batch.index);
        values_same(c, where, "", r[0].raw, r[1].raw);
        free(where);
        return true;
    case RECORD_HEADER:
        if (opt.header)
            values_same(c, "header", "", r[0].raw, r[1].raw);
        return true;
    case RECORD_END:
        ends_compare(c, reader_end(in[0]), reader_end(in[1]));
        return true;
    case RECORD_NONE:
    case RECORD_FAILED:
        return false;
    }
    return false;
}

static void compare(Comparison *c, Reader *const in[2])
{
    Record r[2];
    uint64_t n = 0;
    bool more = true;
    while (more) {
        /* Both are read before either is looked at: a failure is one, whichever stream it is in. */
        RecordKind a = next(in[0], &r[0]), b = next(in[1], &r[1]);
        if (a != b) {
            difference(c, "order", "after %" PRIu64 " records: %s, %s; nothing more is compared", n, kind_name(a), kind_name(b));
            return;
        }
        n += a == RECORD_DATA;
        if (a == RECORD_DATA)
            progress_read();
        more = records_compare(c, in, r);
    }
}

/* What is not compared any more must still be whole. */
static void read_out(Reader *r)
{
    Record record;
    while (next(r, &record) != RECORD_NONE)
        continue;
}

int main(int argc, char **argv)
{
    int n;
    Comparison c;
    char **operands = options_parse(&program, argc, argv, &n);
    if (n != 2)
        usage_error("two streams are required");
    comparison_init(&c, &opt.tolerances, &opt.ignore, opt.show);
    signals_init();
    sandbox_enclose(opt.sandbox, &(SandboxFiles){.read = (const char *const *)operands, .n_read = 2});
    progress_begin("records");
    progress_files(operands, n);
    Reader *const in[2] = {open_stream(operands[0]), open_stream(operands[1])};
    compare(&c, in);
    for (int i = 0; i < 2; i++) {
        read_out(in[i]);
        reader_free(in[i]);
    }
    if (c.differences > c.shown)
        printf("%" PRId64 " more differences\n", c.differences - c.shown);
    comparison_release(&c);
    free(operands);
    return finish_stdout(c.differences > 0 ? STATUS_CHECK : STATUS_CLEAN);
}
