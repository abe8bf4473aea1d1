/*
 * Any bytes as a stream: the reader ends or fails, and what it hands out can be looked at, printed as JSON and passed on. What
 * was passed on must be read again.
 *
 * About: lib/stream/reader.c lib/stream/source.c lib/stream/record.c lib/stream/token.c lib/stream/writer.c lib/stream/sink.c
 */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream/stream.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void look(const Record *r)
{
    static const char *const paths[] = {"frame.width", "frame.image", "caption.text", "caption.tokens",
                                        "a.b.c",       "end.status",  "batch"};
    Arena arena = {0};
    for (size_t i = 0; i < sizeof paths / sizeof paths[0]; i++) {
        Slice s;
        int64_t n, *ints;
        double v, *reals;
        bool b;
        size_t count;
        record_string(r, paths[i], &s);
        record_bin(r, paths[i], &s);
        record_int(r, paths[i], &n);
        record_real(r, paths[i], &v);
        record_bool(r, paths[i], &b);
        record_ints(r, paths[i], &arena, &ints, &count);
        record_reals(r, paths[i], &arena, &reals, &count);
        record_raw(r, paths[i]);
    }
    arena_release(&arena);
}

/* To JSON text and back: the same value. */
static void convert(const Record *r)
{
    Error err = {0};
    Packer p = {0}, again = {0};
    json_t *j = slice_json(r->raw);
    size_t n;
    char *line = json_line(j, &n);
    json_t *parsed = json_loadb(line, n, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, NULL);
    if (!parsed || !pack_json_strict(&p, parsed, &err))
        abort();
    json_t *second = slice_json((Slice){p.data, p.size});
    char *other = json_line(second, NULL);
    if (strcmp(line, other) != 0)
        abort();
    free(line);
    free(other);
    json_decref(j);
    json_decref(parsed);
    json_decref(second);
    pack_release(&p);
    pack_release(&again);
}

static void read_again(int fd)
{
    Record r;
    lseek(fd, 0, SEEK_SET);
    Reader *in = reader_open_fd(dup(fd), "copy");
    RecordKind kind;
    while ((kind = reader_next(in, &r)) != RECORD_NONE)
        if (kind == RECORD_FAILED)
            abort();
    reader_free(in);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    Record r;
    Reader *in = reader_open_fd(given_file(data, size), "fuzz");
    int out = given_file(NULL, 0);
    Writer *w = writer_new(out, "out", size % 2 ? 1 : 0);
    Packer p = {0};
    pack_bool(&p, true);
    Group g = {{"new", 3}, {p.data, p.size}};
    bool inside = false, any = false;
    RecordKind kind;
    while ((kind = reader_next(in, &r)) != RECORD_NONE && kind != RECORD_FAILED) {
        look(&r);
        convert(&r);
        if (kind == RECORD_HEADER)
            any = inside = writer_header_raw(w, reader_header_raw(in));
        else if (kind == RECORD_DATA)
            writer_record(w, r.id, &r, &g, 1);
        else if (kind == RECORD_BATCH)
            writer_forward(w, &r);
        else
            inside = !writer_end(w, 0, 0, reader_end(in).status);
    }
    if (inside)
        writer_end(w, 0, 0, 5);
    if (any)
        read_again(out);
    writer_free(w);
    close(out);
    reader_free(in);
    pack_release(&p);
    return 0;
}
