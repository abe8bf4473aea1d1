/*
 * Reading a stream: finds whole records in a buffer, checks the envelope around them, hands them out where they lie.
 * What a record's groups hold is record.c's business.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xxhash.h>

#include "base/hash.h"
#include "stream/lines.h"
#include "stream/record.h"
#include "stream/seal.h"
#include "stream/source.h"

enum { BUFFER_SIZE = 256 * 1024 };

struct Reader {
    char *name;     /* owned */
    Source *source; /* owned; NULL when reading JSON lines */
    Lines *lines;   /* owned; NULL when reading msgpack */

    unsigned char *buffer; /* owned */
    size_t begin, end, capacity;
    size_t given; /* bytes of the record handed out last: dropped at the next call */
    Scan scan;    /* of the record at begin */
    uint64_t offset;
    bool returned; /* these bytes have been given back to the source once */

    bool inside;      /* a segment: between header and end */
    bool other;       /* the segment is of another version: only its digest is checked */
    bool read_any;    /* a segment has been read */
    uint64_t records; /* in this segment */
    XXH3_state_t *hash;
    Group *groups; /* owned */
    size_t groups_capacity;
    json_t *header;    /* owned */
    Packer header_raw; /* owned: a copy */
    Packer upstreams;  /* owned: a copy */
    StreamEnd last;
    Error error;
    bool cut, finished;
};

/* ---- opening ---- */

static Reader *reader_new(const char *name)
{
    Reader *r = xcalloc(1, sizeof *r);
    r->name = xstrdup(name);
    r->hash = XXH3_createState();
    scan_init(&r->scan);
    return r;
}

Reader *reader_open_fd(int fd, const char *name)
{
    Reader *r = reader_new(name);
    r->source = source_new(fd);
    r->capacity = BUFFER_SIZE;
    r->buffer = xmalloc(r->capacity);
    return r;
}

static int path_open(const char *path, Error *err)
{
    int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        error_set(err, "open %s:", path);
    return fd;
}

static const char *path_name(const char *path)
{
    return strcmp(path, "-") == 0 ? "<stdin>" : path;
}

Reader *reader_open(const char *path, Error *err)
{
    int fd = path_open(path, err);
    return fd < 0 ? NULL : reader_open_fd(fd, path_name(path));
}

Reader *reader_open_json(const char *path, Error *err)
{
    int fd = path_open(path, err);
    if (fd < 0)
        return NULL;
    Reader *r = reader_new(path_name(path));
    r->lines = lines_new(fd);
    return r;
}

void reader_free(Reader *r)
{
    if (!r)
        return;
    source_free(r->source);
    lines_free(r->lines);
    XXH3_freeState(r->hash);
    json_decref(r->header);
    pack_release(&r->header_raw);
    pack_release(&r->upstreams);
    free(r->groups);
    free(r->buffer);
    free(r->name);
    free(r);
}

/* ---- failing ---- */

/* "FILE: byte 123: record 4: what": once, then sticky. */
static RecordKind fail(Reader *r, int status, const char *what)
{
    if (r->lines)
        error_set_status(&r->error, status, "%s: line %" PRIu64 ": %s", r->name, lines_number(r->lines), what);
    else
        error_set_status(&r->error, status, "%s: byte %" PRIu64 ": record %" PRIu64 " of its segment: %s", r->name, r->offset,
                         r->records, what);
    return RECORD_FAILED;
}

static RecordKind corrupt(Reader *r, const char *what)
{
    return fail(r, STATUS_CORRUPT, what);
}

static RecordKind ends_early(Reader *r)
{
    if (!r->read_any && !r->inside && r->begin == r->end)
        return corrupt(r, "the input is empty: not even an end record (the program before this one may have failed)");
    if (r->begin < r->end)
        return corrupt(r, "the input ends inside a record");
    return corrupt(r, "the input ends before its end record");
}

/* ---- one record ---- */

static RecordKind header_record(Reader *r, const Record *record)
{
    int64_t version;
    if (r->inside)
        return corrupt(r, "a header before the end record of the segment");
    if (record_int(record, "vlrm", &version) != FIELD_OK)
        return corrupt(r, "a header whose version is not a whole number");
    pack_reset(&r->header_raw);
    pack_raw(&r->header_raw, record->raw);
    json_decref(r->header);
    r->header = slice_json(record->raw);
    XXH3_64bits_reset(r->hash);
    XXH3_64bits_update(r->hash, record->raw.data, record->raw.size);
    r->inside = true;
    r->other = version != 1;
    r->records = 0;
    r->last = (StreamEnd){0};
    return RECORD_HEADER;
}

/* The digest is the last key and a string of 16 bytes packed the shortest way, so that no byte of the record is free. */
static bool digest_agrees(Reader *r, Slice record)
{
    static const unsigned char key[8] = {0xa6, 'd', 'i', 'g', 'e', 's', 't', 0xb0};
    const uint8_t *p = (const uint8_t *)record.data;
    if (record.size < 24 || memcmp(p + record.size - 24, key, 8) != 0)
        return false;
    XXH3_64bits_update(r->hash, p, record.size - 17);
    return memcmp(p + record.size - 16, digest_text(XXH3_64bits_digest(r->hash)).text, 16) == 0;
}

static RecordKind end_record(Reader *r, const Record *record)
{
    int64_t status;
    StreamEnd e = {0};
    if (!r->lines && !digest_agrees(r, record->raw))
        return corrupt(r, "the digest of the end record does not agree with what was read");
    if (r->other)
        return fail(r, STATUS_MISMATCH, "this segment has another version of the format; this program reads version 1");
    if (record_int(record, "end.status", &status) != FIELD_OK || status < 0 || status > 255)
        return corrupt(r, "the end record has no status from 0 to 255");
    bool ok = record_int(record, "end.records", &e.records) == FIELD_OK;
    ok = record_int(record, "end.failed", &e.failed) == FIELD_OK && ok;
    ok = record_int(record, "end.filtered", &e.filtered) == FIELD_OK && ok;
    if (!r->lines && !ok)
        return corrupt(r, "the end record needs records, failed and filtered, whole numbers");
    if (!r->lines && (uint64_t)e.records != r->records)
        return corrupt(r, "the end record counts other records than were read");
    e.records = (int64_t)r->records;
    e.status = (int)status;
    pack_reset(&r->upstreams);
    pack_raw(&r->upstreams, record_raw(record, "end.upstreams"));
    e.upstreams = (Slice){r->upstreams.data, r->upstreams.size};
    r->last = e;
    r->inside = false;
    r->read_any = true;
    return RECORD_END;
}

/* Takes in a record whose kind is known. */
static RecordKind record_take(Reader *r, const Record *record)
{
    if (record->kind == RECORD_HEADER)
        return header_record(r, record);
    if (!r->inside)
        return corrupt(r, "expected a header ({\"vlrm\": 1, ..})");
    if (record->kind == RECORD_END)
        return end_record(r, record);
    /* One without is of an older writer, or by hand: the end record tells of it. */
    if (record->kind == RECORD_BATCH && !r->lines && record_raw(record, "batch.digest").data) {
        if (!digest_agrees(r, record->raw))
            return corrupt(r, "the digest of the batch record does not agree with what was read");
        XXH3_64bits_update(r->hash, (const char *)record->raw.data + record->raw.size - 17, 17);
        return record->kind;
    }
    XXH3_64bits_update(r->hash, record->raw.data, record->raw.size);
    r->records += record->kind == RECORD_DATA;
    return record->kind;
}

/* Tells what the whole, well-formed value is, and takes it in. */
static RecordKind record_accept(Reader *r, Record *out, Slice raw)
{
    Error err = {0};
    *out = (Record){.kind = RECORD_DATA, .offset = r->lines ? lines_number(r->lines) : r->offset, .raw = raw};
    Token map = token_at(raw.data);
    if (map.kind != TOKEN_MAP || map.count == 0)
        return corrupt(r, "expected a record, found something that is not a map");
    if (map.count > GROUPS_MAX)
        return corrupt(r, "a record of more than 4096 groups");
    r->groups = array_reserve(r->groups, &r->groups_capacity, map.count, sizeof *r->groups);
    out->groups = r->groups;
    /* What another version calls a record is its own business, as long as the end record's digest agrees. */
    if (!record_split(out->raw, out, &err) && !r->other)
        return corrupt(r, err.text);
    return record_take(r, out);
}

/* ---- the buffer ---- */

/* Room behind `end`: moves what is there to the front, and grows only when the record has filled what there is. */
static void buffer_make_room(Reader *r)
{
    if (r->begin == r->end)
        r->begin = r->end = 0;
    if (r->capacity - r->end >= r->capacity / 4)
        return;
    memmove(r->buffer, r->buffer + r->begin, r->end - r->begin);
    r->end -= r->begin;
    r->begin = 0;
    if (r->capacity - r->end < r->capacity / 4)
        r->buffer = array_reserve(r->buffer, &r->capacity, r->capacity + 1, 1);
}

static void drop_given(Reader *r)
{
    r->begin += r->given;
    r->offset += r->given;
    r->given = 0;
}

/* Between segments of a plain stream a zstd one may begin: the source has another look at the bytes. */
static bool return_to_source(Reader *r)
{
    if (r->inside || !r->read_any || r->returned || r->begin == r->end)
        return false;
    uint8_t first = r->buffer[r->begin];
    if (first != 0x28 && first >> 4 != 5)
        return false;
    r->returned = true;
    bool ok = source_return(r->source, r->buffer + r->begin, r->end - r->begin);
    if (ok)
        r->begin = r->end = 0;
    return ok;
}

/* Reads until the record at begin is whole. */
static SourceStatus fill(Reader *r, Wait wait)
{
    drop_given(r);
    while (true) {
        return_to_source(r);
        ScanStatus scan = scan_run(&r->scan, r->buffer + r->begin, r->end - r->begin);
        if (scan == SCAN_BAD) {
            corrupt(r, r->scan.fault);
            return SOURCE_FAILED;
        }
        if (scan == SCAN_DONE)
            return SOURCE_DATA;
        /* What is no map is refused at once, before any length it claims is waited for. */
        if (r->begin < r->end && r->buffer[r->begin] >> 4 != 8 && r->buffer[r->begin] < 0xde) {
            corrupt(r, "expected a record, found something that is not a map");
            return SOURCE_FAILED;
        }
        buffer_make_room(r);
        size_t n;
        Error err = {0};
        SourceStatus status = source_read(r->source, r->buffer + r->end, r->capacity - r->end, &n, wait, &err);
        if (status == SOURCE_FAILED)
            fail(r, err.status, err.text);
        if (status != SOURCE_DATA)
            return status;
        r->end += n;
    }
}

static RecordKind next_binary(Reader *r, Record *record, Wait wait)
{
    SourceStatus status = fill(r, wait);
    if (status == SOURCE_FAILED)
        return RECORD_FAILED;
    if (status == SOURCE_WAITING) {
        r->cut = true;
        return RECORD_NONE;
    }
    if (status == SOURCE_EOF) {
        if (r->inside || !r->read_any || r->begin < r->end)
            return ends_early(r);
        r->finished = true;
        return RECORD_NONE;
    }
    size_t size = (size_t)r->scan.position;
    RecordKind kind = record_accept(r, record, slice_bytes(r->buffer + r->begin, size));
    r->given = size;
    r->returned = false;
    scan_init(&r->scan);
    return kind;
}

static RecordKind next_line(Reader *r, Record *record)
{
    Slice value;
    Error err = {0};
    LineStatus status = lines_next(r->lines, &value, &err);
    if (status == LINE_FAILED)
        return fail(r, err.status, err.text);
    if (status == LINE_NONE) {
        if (!r->inside && r->read_any) {
            r->finished = true;
            return RECORD_NONE;
        }
        return ends_early(r);
    }
    return record_accept(r, record, value);
}

static RecordKind next_with(Reader *r, Record *record, Wait wait)
{
    *record = (Record){.kind = RECORD_FAILED};
    if (r->error.text[0])
        return RECORD_FAILED;
    RecordKind kind = RECORD_NONE;
    if (!r->finished && !r->cut) {
        do
            kind = r->lines ? next_line(r, record) : next_binary(r, record, wait);
        while (r->other && kind != RECORD_FAILED && !r->cut);
    }
    record->kind = kind;
    return kind;
}

RecordKind reader_next(Reader *r, Record *record)
{
    return next_with(r, record, WAIT_BLOCK);
}

RecordKind reader_next_or_interrupt(Reader *r, Record *record)
{
    return next_with(r, record, WAIT_SIGNAL);
}

bool reader_would_block(Reader *r)
{
    if (!r || r->error.text[0] || r->finished || r->cut)
        return false;
    return r->lines ? lines_would_wait(r->lines) : fill(r, WAIT_NEVER) == SOURCE_WAITING;
}

/* ---- what was read ---- */

bool reader_cut(const Reader *r)
{
    return r->cut;
}

json_t *reader_header(const Reader *r)
{
    return r->header;
}

Slice reader_header_raw(const Reader *r)
{
    return (Slice){r->header_raw.data, r->header_raw.size};
}

StreamEnd reader_end(const Reader *r)
{
    return r->last;
}

const Error *reader_error(const Reader *r)
{
    return &r->error;
}

const char *reader_name(const Reader *r)
{
    return r->name;
}
