/*
 * Streams of records: what every stage of the suite reads and writes. formats/envelope.md says every byte.
 *
 * A stream is one or more segments: header, data and batch records, end. A Reader is sticky: after the first failure every
 * call returns RECORD_FAILED and reader_error says why, naming file, record and byte offset. Input that ends before its end
 * record, or whose digest or count is wrong, is a failure (STATUS_CORRUPT), never an end.
 *
 * Groups a stage does not know are forwarded byte for byte. Nothing here copies an image that is only passed on.
 */
#ifndef STREAM_STREAM_H
#define STREAM_STREAM_H

#include <jansson.h>
#include <stdio.h>

#include "base/base.h"
#include "base/slice.h"

/* ---- records ---- */

typedef enum RecordKind {
    RECORD_HEADER, /* a segment begins; reader_header has it */
    RECORD_DATA,
    RECORD_BATCH,  /* {"batch": {"index", "records", "step"}}: closes batch index */
    RECORD_END,    /* a segment ended, digest and count agree; reader_end has it. More may follow */
    RECORD_NONE,   /* the stream ended where it may */
    RECORD_FAILED, /* reader_error says why */
} RecordKind;

typedef struct Group {
    Slice name, value; /* value: the msgpack bytes of the group, key excluded */
} Group;

/* One record as it lies in the reader's buffer: valid until the next reader_next. */
typedef struct Record {
    RecordKind kind;
    Slice id;      /* DATA: the unique key, UTF-8 */
    Group *groups; /* DATA: every key but id, in order */
    size_t n_groups;
    struct {
        int64_t index, records, step;
    } batch;         /* BATCH; step is -1 where the record names none */
    uint64_t offset; /* of the record's first byte in the uncompressed stream (JSON lines: the line's number) */
    Slice raw;       /* the whole record */
} Record;

/* The end record of a segment. */
typedef struct StreamEnd {
    int64_t records, failed, filtered;
    int status;
    Slice upstreams; /* array of the headers of further segments that were joined; {NULL, 0} when there were none */
} StreamEnd;

/* Whether a field could be read. */
typedef enum Field {
    FIELD_OK,
    FIELD_MISSING, /* no such group or key, or nil */
    FIELD_WRONG,   /* another type, or out of range */
} Field;

/* A field by path, "caption.text" or "frame.time_base". What they give points into the record or into arena `a`. */
Field record_string(const Record *r, const char *path, Slice *out);
Field record_bin(const Record *r, const char *path, Slice *out);
Field record_int(const Record *r, const char *path, int64_t *out);
Field record_real(const Record *r, const char *path, double *out); /* accepts integers */
Field record_bool(const Record *r, const char *path, bool *out);
Field record_ints(const Record *r, const char *path, Arena *a, int64_t **out, size_t *n);
Field record_reals(const Record *r, const char *path, Arena *a, double **out, size_t *n);

/* The msgpack bytes of any field; {NULL, 0} when missing. */
Slice record_raw(const Record *r, const char *path);

/*
 * A record again from its own bytes (raw of an earlier one, kept elsewhere): kind DATA, BATCH, HEADER or END, id, groups; out
 * points into raw and, for groups, into the arena. False when the bytes are no whole record.
 */
MUST_USE bool record_parse(Slice raw, Record *out, Arena *arena, Error *err);

/*
 * A msgpack value as JSON (a new reference); binary becomes {"$bin": base64}. NULL for bytes that are no value. What JSON cannot
 * hold becomes an object of one key with a dollar sign, so that pack_json gives the same value back (formats/envelope.md lists
 * them).
 */
json_t *slice_json(Slice value);

/* How slice_json_as gives binary: {"$bin": base64}, "<N bytes>", or not at all (null inside arrays). */
typedef enum BinStyle { BIN_BASE64, BIN_SIZE, BIN_OMIT } BinStyle;
json_t *slice_json_as(Slice value, BinStyle style);

/* One line of JSON: compact, keys in order, numbers with as few digits as give the same number back. The caller frees it. */
char *json_line(const json_t *value, size_t *size);

/* Writes it as a line, and takes it; a failure sticks to the stream. */
void json_line_put(FILE *out, json_t *value);

/* ---- reading ---- */

typedef struct Reader Reader;

/* Opens a file, or stdin for "-". zstd is told by its magic. NULL on failure (err names the file). */
Reader *reader_open(const char *path, Error *err);
/* Takes fd; errors call it `name`. Never fails. */
Reader *reader_open_fd(int fd, const char *name);
/* Reads JSON lines as vlrm-cat prints them as if they were a stream. Lines without a header get one; with a header the end line
 * is required. */
Reader *reader_open_json(const char *path, Error *err);
void reader_free(Reader *r);

/* The next record. A signal that interrupts a blocking read ends nothing: see reader_next_or_interrupt. */
RecordKind reader_next(Reader *r, Record *record);

/* As reader_next, but when `interrupted()` becomes true while waiting it returns RECORD_NONE early (reader_cut() is then true).
 */
RecordKind reader_next_or_interrupt(Reader *r, Record *record);
bool reader_cut(const Reader *r);

/* Whether a reader_next would have to wait for input: time to flush the output. Invalidates the record last read; r may be
 * NULL (false). */
bool reader_would_block(Reader *r);

json_t *reader_header(const Reader *r); /* borrowed: the header of the segment being read, as JSON; NULL before the first */
Slice reader_header_raw(const Reader *r);
StreamEnd reader_end(const Reader *r); /* valid after RECORD_END */
const Error *reader_error(const Reader *r);
const char *reader_name(const Reader *r);

/* ---- building a group ---- */

enum { PACK_DEPTH = 8 }; /* maps begun by pack_map_begin one inside the other */

/* msgpack under construction. `= {0}` is empty; writer_record checks that counts given to pack_map and pack_array were kept. */
typedef struct Packer {
    char *data;
    size_t size, capacity;
    struct {
        size_t at, keys; /* where its header is to stand, and the keys so far */
    } open[PACK_DEPTH];  /* the maps begun and not ended, the innermost last */
    size_t n_open;
} Packer;

void pack_reset(Packer *p); /* empty, no map begun; the memory is kept */
void pack_release(Packer *p);

/*
 * A map by its fields: begin, then a pack_field_* for each key (or pack_key and one value of any kind), then end, which writes
 * the count: the same bytes as pack_map with the right count. bug() for an end without a begin, a key outside a map, a key
 * without exactly one value behind it, and more than PACK_DEPTH maps in one another; a map never ended is no value, which
 * writer_record refuses.
 */
void pack_map_begin(Packer *p);
void pack_map_end(Packer *p);
void pack_key(Packer *p, const char *key);
void pack_field_text(Packer *p, const char *key, const char *text);
void pack_field_text_n(Packer *p, const char *key, const char *text, size_t n);
void pack_field_int(Packer *p, const char *key, int64_t v);
void pack_field_real(Packer *p, const char *key, double v);
void pack_field_bool(Packer *p, const char *key, bool v);
void pack_field_bin(Packer *p, const char *key, const void *data, size_t n);
void pack_field_ints(Packer *p, const char *key, const int64_t *v, size_t n);
void pack_field_reals(Packer *p, const char *key, const double *v, size_t n);
void pack_field_json(Packer *p, const char *key, const json_t *value); /* as pack_json */

/* Counts that are computed from data: exactly so many pairs or items must follow. */
void pack_map(Packer *p, size_t pairs);
void pack_array(Packer *p, size_t items);
void pack_string(Packer *p, const char *text);
void pack_string_n(Packer *p, const char *text, size_t n);
void pack_int(Packer *p, int64_t v);
void pack_uint(Packer *p, uint64_t v);
void pack_real(Packer *p, double v);  /* float 64 */
void pack_real32(Packer *p, float v); /* float 32 */
void pack_bool(Packer *p, bool v);
void pack_nil(Packer *p);
void pack_bin(Packer *p, const void *data, size_t n);
void pack_ext(Packer *p, int8_t type, const void *data, size_t n);
void pack_ints(Packer *p, const int64_t *v, size_t n);
void pack_reals(Packer *p, const double *v, size_t n);
void pack_raw(Packer *p, Slice value); /* one whole value, already packed */

/* {"$bin": base64} becomes binary, and so for the other forms of slice_json; what only looks like one is packed as it is. */
void pack_json(Packer *p, const json_t *value);

/* As pack_json, for JSON from outside: false, with err set, for "<N bytes>", a bad base64, an unknown key with a dollar sign. */
MUST_USE bool pack_json_strict(Packer *p, const json_t *value, Error *err);

/* ---- writing ---- */

typedef struct Writer Writer;

/* Writes to fd (stdout: 1). zstd_level 0 for plain. Dies on nothing: failures are sticky, writer_error. Refuses a terminal. */
Writer *writer_new(int fd, const char *name, int zstd_level);
void writer_free(Writer *w);

/*
 * Begins a segment: {"vlrm": 1, "stage", "version", "params", "inputs", "upstream"}. params and inputs are taken (stolen
 * references, NULL allowed); upstream is the raw upstream header, or {NULL, 0}. extra (stolen, may be NULL): further header keys.
 */
bool writer_header(Writer *w, const char *stage, json_t *params, json_t *inputs, Slice upstream, json_t *extra);

/* Begins a segment with a header made elsewhere: one msgpack map. */
bool writer_header_raw(Writer *w, Slice header);

/* A data record with `id` and the groups of `from` (NULL for none); `name`=`value` replaces or follows. Repeat for more groups
 * with n > 1. A group of `from` that was made from one of these stays out (made_from.h), which is told once. */
bool writer_record(Writer *w, Slice id, const Record *from, const Group *groups, size_t n);

/* A record exactly as it came; a batch record anew, with its digest: of what this segment has. */
bool writer_forward(Writer *w, const Record *record);
bool writer_batch(Writer *w, int64_t index, int64_t records, int64_t step);

/* Ends the segment; records are counted by the writer. */
bool writer_end(Writer *w, int64_t failed, int64_t filtered, int status);

/* As writer_end, with further keys: extra (stolen, may be NULL) is an object of counts a reader may ignore. */
bool writer_end_with(Writer *w, int64_t failed, int64_t filtered, int status, json_t *extra);

/* Writes out what is buffered; under zstd what was written so far can then be read. */
bool writer_flush(Writer *w);
const Error *writer_error(const Writer *w); /* text empty when all is well */
uint64_t writer_records(const Writer *w);

#endif
