/* JSON lines as records; see lines.h. */
#include "stream/lines.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/signals.h"
#include "stream/token.h"

struct Lines {
    FILE *in;   /* owned */
    char *text; /* owned: the line; capacity is getline's */
    size_t capacity;
    uint64_t number;
    Packer value;                          /* owned: the line as msgpack */
    Packer made;                           /* owned: a header or end record of ours */
    enum { BETWEEN, GIVEN, MADE } segment; /* no segment open; one with a header line; one whose header we made */
    bool kept;                             /* value holds a record that waits behind the header we made */
};

Lines *lines_new(int fd)
{
    Lines *l = xcalloc(1, sizeof *l);
    l->in = fdopen(fd, "rb");
    if (!l->in)
        die("read input:");
    return l;
}

void lines_free(Lines *l)
{
    if (!l)
        return;
    if (l->in != stdin && fileno(l->in) > 2)
        fclose(l->in);
    pack_release(&l->value);
    pack_release(&l->made);
    free(l->text);
    free(l);
}

bool lines_would_wait(const Lines *l)
{
    struct pollfd p = {.fd = fileno(l->in), .events = POLLIN};
    return !l->kept && poll(&p, 1, 0) == 0;
}

uint64_t lines_number(const Lines *l)
{
    return l->number;
}

/* The header and end record that the input leaves out. */
static void made_header(Packer *p)
{
    pack_map_begin(p);
    pack_field_int(p, "vlrm", 1);
    pack_field_text(p, "stage", "json");
    pack_field_text(p, "version", VLRM_VERSION);
    pack_key(p, "params");
    pack_map(p, 0);
    pack_key(p, "inputs");
    pack_array(p, 0);
    pack_key(p, "upstream");
    pack_nil(p);
    pack_map_end(p);
}

static void made_end(Packer *p)
{
    pack_map_begin(p);
    pack_key(p, "end");
    pack_map_begin(p);
    pack_field_int(p, "status", STATUS_CLEAN);
    pack_map_end(p);
    pack_map_end(p);
}

/* A line of text, blank ones skipped; false at the end of the input or on failure (err set). */
static bool line_read(Lines *l, size_t *n, Error *err)
{
    while (true) {
        errno = 0;
        ssize_t got = getline(&l->text, &l->capacity, l->in);
        if (got < 0) {
            if (ferror(l->in) || (errno && !feof(l->in)))
                error_set(err, "read:");
            return false;
        }
        l->number++;
        if (strspn(l->text, " \t\r\n") < (size_t)got) {
            *n = (size_t)got;
            return true;
        }
    }
}

/* A whole number as an id becomes its digits; what is no text is refused by what it is. */
static bool id_check(json_t *line, Error *err)
{
    const json_t *id = json_object_get(line, "id");
    if (!id || json_is_string(id) || json_object_get(id, "$str"))
        return true;
    if (!json_is_integer(id)) {
        char *found = json_dumps(id, JSON_ENCODE_ANY | JSON_COMPACT);
        error_set_status(err, STATUS_CORRUPT, "the id is %.64s, expected a string or a whole number", found ? found : "?");
        free(found);
        return false;
    }
    char digits[24];
    snprintf(digits, sizeof digits, "%lld", (long long)json_integer_value(id));
    return json_object_set_new(line, "id", json_string(digits)) == 0;
}

static bool line_parse(Lines *l, size_t n, json_t **out, Error *err)
{
    json_error_t e;
    *out = json_loadb(l->text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
    if (!*out)
        return error_set_status(err, STATUS_CORRUPT, "column %d: %s", e.column, e.text);
    if (!json_is_object(*out))
        return error_set_status(err, STATUS_CORRUPT, "expected a JSON object, one a line");
    if (!id_check(*out, err))
        return false;
    pack_reset(&l->value);
    if (!pack_json_strict(&l->value, *out, err))
        return false;
    /* pack_json_strict bounds the depth of JSON, not that of a $map's keys and values together. */
    if (!value_whole((Slice){l->value.data, l->value.size}))
        return error_set_status(err, STATUS_CORRUPT, "nested deeper than 256 levels, or larger than 1 GiB");
    return true;
}

LineStatus lines_next(Lines *l, Slice *value, Error *err)
{
    size_t n;
    json_t *line = NULL;
    if (l->kept) {
        l->kept = false;
        *value = (Slice){l->value.data, l->value.size};
        return LINE_VALUE;
    }
    if (!line_read(l, &n, err)) {
        if (err->text[0])
            return LINE_FAILED;
        if (l->segment != MADE)
            return LINE_NONE;
        l->segment = BETWEEN;
        pack_reset(&l->made);
        made_end(&l->made);
        *value = (Slice){l->made.data, l->made.size};
        return LINE_VALUE;
    }
    bool ok = line_parse(l, n, &line, err);
    bool header = ok && json_object_get(line, "vlrm"), end = ok && json_object_get(line, "end");
    json_decref(line);
    if (!ok)
        return LINE_FAILED;
    *value = (Slice){l->value.data, l->value.size};
    if (header && l->segment == BETWEEN) {
        l->segment = GIVEN;
    } else if (l->segment == BETWEEN) {
        l->segment = MADE;
        l->kept = true;
        pack_reset(&l->made);
        made_header(&l->made);
        *value = (Slice){l->made.data, l->made.size};
    } else if (end) {
        l->segment = BETWEEN;
    }
    return LINE_VALUE;
}
