/* Text files beside pictures; see beside.h. */
#include "tools/beside.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { FAILURES_MOST = 5, FILE_MOST = 64 << 20 };

static const char *const endings[] = {"", "txt", "caption", "json"};

/* The file beside a source: the ending of its last part is replaced, or follows where there is none. */
static char *path_beside(Slice source, const char *ending)
{
    size_t n = source.size, at = n;
    while (at > 0 && source.data[at - 1] != '.' && source.data[at - 1] != '/')
        at--;
    bool dot = at > 1 && source.data[at - 1] == '.' && source.data[at - 2] != '/';
    return xasprintf("%.*s.%s", (int)(dot ? at - 1 : n), source.data, ending);
}

/* What the JSON file is to say: {"caption", "captions"}; of a file that is there and appended to, all its other keys. */
static bool json_text(const Beside *b, const char *before, Buffer *out, Error *err)
{
    json_error_t why;
    size_t i, n;
    json_t *caption, *whole = before ? json_loads(before, 0, &why) : json_object();
    if (!json_is_object(whole)) {
        json_decref(whole);
        return error_set(err, "it is no JSON object to add captions to");
    }
    json_t *all = json_object_get(whole, "captions");
    if (!json_is_array(all)) {
        all = json_array();
        json_object_set_new(whole, "captions", all);
    }
    json_array_foreach (b->sample.captions, i, caption) {
        json_t *said = json_deep_copy(caption);
        json_object_set_new(said, "text", json_sprintf("%s%s", b->prefix, json_string_value(json_object_get(caption, "text"))));
        json_array_append_new(all, said);
    }
    if (!json_object_get(whole, "caption"))
        json_object_set(whole, "caption", json_object_get(json_array_get(all, 0), "text"));
    char *line = json_line(whole, &n);
    buffer_add(out, line, n);
    buffer_add(out, "\n", 1);
    free(line);
    json_decref(whole);
    return true;
}

/* Lines behind those that are there. */
static void lines_text(const Beside *b, const char *before, Buffer *out)
{
    size_t n = before ? strlen(before) : 0;
    if (n > 0)
        buffer_add(out, before, n);
    if (n > 0 && before[n - 1] != '\n')
        buffer_add(out, "\n", 1);
    sample_lines(&b->sample, b->prefix, out);
}

static bool write_file(const Beside *b, const char *path, const char *before, Error *err)
{
    Buffer text = {0};
    bool ok = true;
    if (b->kind == BESIDE_JSON)
        ok = json_text(b, before, &text, err);
    else
        lines_text(b, before, &text);
    AtomicFile f;
    if (ok && (ok = atomic_open(&f, path, err))) {
        fwrite(text.data, 1, text.size, f.stream);
        ok = atomic_place(&f, err);
    }
    buffer_release(&text);
    return ok;
}

/* Whether there is a picture or video of that name to write beside. */
static bool check_source(Slice source, Error *err)
{
    if (!source.data)
        return error_set(err, "the record names no file to write beside: neither frame.source nor frame.path");
    char *path = xstrndup(source.data, source.size);
    struct stat st;
    bool ok = stat(path, &st) == 0 && S_ISREG(st.st_mode);
    free(path);
    return ok ||
           error_set(err, "there is no such file to write beside here; --webdataset writes captions of a tar shard's members");
}

/* Writes the file of the source that was read. */
static bool write_sample(Beside *b, Slice source, Error *err)
{
    if (!check_source(source, err))
        return false;
    char *path = path_beside(source, endings[b->kind]), *before = NULL;
    struct stat st;
    bool there = stat(path, &st) == 0, ok = true;
    if (there && b->skip_existing) {
        b->kept++;
        b->written--;
    } else if (there && !b->append && !b->overwrite) {
        ok = error_set(err, "%s exists already: --skip-existing leaves it, --append adds to it, --overwrite replaces it", path);
    } else {
        if (there && b->append)
            ok = (before = file_read_regular(path, FILE_MOST, NULL, err)) != NULL;
        ok = (ok && write_file(b, path, before, err)) || (err->text[0] && error_prefix(err, "%s", path));
    }
    free(before);
    free(path);
    return ok;
}

static bool flush(Beside *b)
{
    Error err = {0};
    if (!b->sample.captions)
        return true;
    Slice source = picture_source(&b->sample.first);
    bool none = json_array_size(b->sample.captions) == 0; /* whoever made no caption has said so */
    if (none || write_sample(b, source, &err)) {
        b->written += !none;
        b->in_row = none ? b->in_row : 0;
    } else {
        b->failed++;
        b->in_row++;
        warn("%.*s: %s", (int)(source.size < 500 ? source.size : 500), source.data ? source.data : "", err.text);
    }
    sample_reset(&b->sample);
    if (b->in_row < FAILURES_MOST)
        return true;
    warn("%lld files in a row could not be written: writing no more", (long long)b->in_row);
    return false;
}

bool beside_take(Beside *b, const Record *r)
{
    bool go_on = true;
    if (b->sample.captions && !sample_has(&b->sample, r, true))
        go_on = flush(b);
    if (go_on)
        sample_add(&b->sample, r);
    return go_on;
}

bool beside_end(Beside *b, bool whole)
{
    bool ok = !whole || flush(b);
    sample_release(&b->sample);
    return ok;
}
