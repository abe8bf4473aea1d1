/* Reading records; see stream.h. Sticky: after the first failure every call says RECORD_FAILED. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/digest.h"
#include "stream/record.h"
#include "stream/source.h"

/* What may come next. */
typedef enum Place { AT_SEGMENT, IN_SEGMENT } Place;

struct Reader {
    Source *source; /* owned */
    char *name;     /* owned */
    Parser parser;
    Digest *digest; /* owned: of the segment so far */
    Place place;
    bool cut, any; /* any: a segment has been read */
    int64_t records;
    uint64_t offset, number; /* of the next record: byte, and count from 1 */
    size_t held;             /* bytes of the record given out last, consumed on the next call */
    json_t *header;          /* owned */
    char *header_raw;        /* owned */
    size_t header_size;
    StreamEnd end;
    Error err;
};

Reader *reader_open_fd(int fd, const char *name, Error *err)
{
    (void)err;
    Reader *r = xcalloc(1, sizeof *r);
    r->source = source_new(fd, fd != STDIN_FILENO);
    r->name = xstrdup(name);
    r->digest = digest_new();
    r->number = 1;
    return r;
}

Reader *reader_open(const char *path, Error *err)
{
    if (strcmp(path, "-") == 0)
        return reader_open_fd(STDIN_FILENO, "<stdin>", err);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        error_set(err, "open %s:", path);
        return NULL;
    }
    return reader_open_fd(fd, path, err);
}

void reader_free(Reader *r)
{
    if (!r)
        return;
    source_free(r->source);
    parser_release(&r->parser);
    digest_free(r->digest);
    json_decref(r->header);
    free(r->header_raw);
    free(r->name);
    free(r);
}

static RecordKind fail(Reader *r)
{
    error_prefix(&r->err, "%s: record %llu at byte %llu", r->name, (unsigned long long)r->number, (unsigned long long)r->offset);
    return RECORD_FAILED;
}

static RecordKind fail_with(Reader *r, const char *text)
{
    error_set_status(&r->err, STATUS_CORRUPT, "%s", text);
    return fail(r);
}

static RecordKind take_header(Reader *r, Record *record)
{
    if (r->place != AT_SEGMENT)
        return fail_with(r, "a header inside a segment, expected records or an end record");
    json_decref(r->header);
    r->header = slice_json(record->raw);
    r->header_raw = xrealloc(r->header_raw, record->raw.size, 1);
    memcpy(r->header_raw, record->raw.data, record->raw.size);
    r->header_size = record->raw.size;
    if (!json_is_object(r->header))
        return fail_with(r, "the header cannot be said in JSON");
    digest_reset(r->digest);
    r->place = IN_SEGMENT;
    r->records = 0;
    r->any = true;
    return RECORD_HEADER;
}

static RecordKind take_end(Reader *r, const Record *record, size_t digest_at, const char *expected)
{
    char found[17];
    digest_update(r->digest, record->raw.data, digest_at);
    snprintf(found, sizeof found, "%016llx", (unsigned long long)digest_value(r->digest));
    if (strcmp(found, expected) != 0) {
        error_set_status(&r->err, STATUS_CORRUPT, "corrupt: digest of the segment is %s, the end record says %.16s", found,
                         expected);
        return fail(r);
    }
    if (r->end.records != r->records) {
        error_set_status(&r->err, STATUS_CORRUPT, "corrupt: found %lld records, the end record says %lld", (long long)r->records,
                         (long long)r->end.records);
        return fail(r);
    }
    r->place = AT_SEGMENT;
    return RECORD_END;
}

static RecordKind take(Reader *r, Record *record, size_t digest_at, const char *digest)
{
    record->offset = r->offset;
    if (record->kind == RECORD_HEADER && take_header(r, record) == RECORD_FAILED)
        return RECORD_FAILED;
    if (r->place != IN_SEGMENT)
        return fail_with(r, "no header where a segment begins");
    if (record->kind == RECORD_END) {
        if (take_end(r, record, digest_at, digest) == RECORD_FAILED)
            return RECORD_FAILED;
    } else {
        digest_update(r->digest, record->raw.data, record->raw.size);
    }
    r->records += record->kind == RECORD_DATA;
    r->held = record->raw.size;
    r->offset += record->raw.size;
    r->number++;
    return record->kind;
}

/* The input is over: fine only between segments, and not before the first. */
static RecordKind at_eof(Reader *r, size_t left)
{
    if (r->place == AT_SEGMENT && left == 0 && r->any)
        return RECORD_NONE;
    if (!r->any && left == 0)
        return fail_with(r, "truncated: no input at all, expected at least a header and an end record");
    return fail_with(r, left ? "truncated: the input ends inside a record" : "truncated: the input ends before its end record");
}

static RecordKind next(Reader *r, Record *record, bool stop)
{
    if (r->err.text[0])
        return record->kind = RECORD_FAILED;
    source_consume(r->source, r->held);
    r->held = 0;
    while (true) {
        size_t size, digest_at = 0;
        char digest[17] = "";
        const char *data = source_data(r->source, &size);
        MpResult parsed =
            size > 0 ? parse_record(&r->parser, data, size, record, &r->end, &digest_at, digest, &r->err) : MP_SHORT;
        if (parsed == MP_BAD)
            return record->kind = fail(r);
        if (parsed == MP_OK)
            return record->kind = take(r, record, digest_at, digest);
        switch (source_more(r->source, stop, &r->err)) {
        case SOURCE_MORE:
            break;
        case SOURCE_END:
            return record->kind = at_eof(r, size);
        case SOURCE_CUT:
            r->cut = true;
            return record->kind = RECORD_NONE;
        case SOURCE_ERROR:
            return record->kind = fail(r);
        }
    }
}

RecordKind reader_next(Reader *r, Record *record)
{
    return next(r, record, false);
}

RecordKind reader_next_or_interrupt(Reader *r, Record *record)
{
    return next(r, record, true);
}

bool reader_cut(const Reader *r)
{
    return r->cut;
}

bool reader_would_block(const Reader *r)
{
    size_t size, digest_at;
    char digest[17];
    const char *data = source_data(r->source, &size);
    if (r->err.text[0] || !source_would_block(r->source))
        return false;
    if (size <= r->held)
        return true;
    Parser parser = {0};
    Record record;
    StreamEnd end;
    Error ignored = {0};
    MpResult parsed = parse_record(&parser, data + r->held, size - r->held, &record, &end, &digest_at, digest, &ignored);
    parser_release(&parser);
    return parsed == MP_SHORT;
}

json_t *reader_header(const Reader *r)
{
    return r->header;
}

Slice reader_header_raw(const Reader *r)
{
    return (Slice){r->header_raw, r->header_size};
}

StreamEnd reader_end(const Reader *r)
{
    return r->end;
}

const Error *reader_error(const Reader *r)
{
    return &r->err;
}

const char *reader_name(const Reader *r)
{
    return r->name;
}
