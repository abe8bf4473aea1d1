/*
 * Any text as JSON lines: what the import takes becomes a stream that can be read, and prints as lines that it takes again.
 *
 * About: lib/stream/lines.c lib/stream/json.c lib/stream/json_line.c lib/stream/packer.c
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stream/stream.h"
#include "tests/fuzz/given.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static Reader *open_lines(int fd)
{
    char path[64];
    Error err = {0};
    Reader *r = reader_open_json(given_path(path, fd), &err);
    if (!r)
        abort();
    return r;
}

/* Reads lines to their end, writing each record to the stream and as a line to text. Whether they were taken whole. */
static bool import(Reader *in, Writer *w, FILE *text)
{
    Record r;
    RecordKind kind;
    while ((kind = reader_next(in, &r)) != RECORD_NONE && kind != RECORD_FAILED) {
        json_t *j = slice_json(r.raw);
        char *line = json_line(j, NULL);
        fprintf(text, "%s\n", line);
        free(line);
        json_decref(j);
        if (kind == RECORD_HEADER)
            writer_header_raw(w, reader_header_raw(in));
        else if (kind == RECORD_END)
            writer_end(w, 0, 0, reader_end(in).status);
        else
            writer_forward(w, &r);
    }
    return kind == RECORD_NONE;
}

static uint64_t count_records(Reader *in)
{
    Record r;
    RecordKind kind;
    uint64_t n = 0;
    while ((kind = reader_next(in, &r)) != RECORD_NONE) {
        if (kind == RECORD_FAILED)
            abort();
        n++;
    }
    reader_free(in);
    return n;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int lines = given_file(data, size), out = given_file(NULL, 0), text = given_file(NULL, 0);
    Reader *in = open_lines(lines);
    Writer *w = writer_new(out, "out", 0);
    FILE *printed = fdopen(dup(text), "w");
    bool whole = import(in, w, printed);
    fclose(printed);
    if (whole) {
        lseek(out, 0, SEEK_SET);
        if (count_records(reader_open_fd(dup(out), "out")) != count_records(open_lines(text)))
            abort();
    }
    writer_free(w);
    reader_free(in);
    close(lines);
    close(out);
    close(text);
    return 0;
}
