/* --append FILE: a stream in a file that later runs go on with; see journal.h. */
#include "extract/append.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/lock.h"
#include "stage/inputs.h"

bool batch_count(int64_t batch, Writer *w, Totals *t)
{
    if (batch == 0 || ++t->in_batch < batch)
        return true;
    t->in_batch = 0;
    return writer_batch(w, t->batches++, batch, -1);
}

/* Options that change neither the frames nor what they are called: the machine, where files lie, how long to go on, the stream's
 * own form (which is made anew). */
static bool may_differ(const char *option)
{
    static const char *const names[] = {"list",  "coco",   "limit", "deadline", "jobs",    "journal",   "resume",
                                        "retry", "append", "batch", "zstd",     "sandbox", "max-bytes", "max-pixels"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(option, names[i]) == 0)
            return true;
    return false;
}

static char *value_text(const json_t *value)
{
    if (json_is_null(value))
        return xstrdup("none");
    return json_is_string(value) ? xstrdup(json_string_value(value))
                                 : json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(9));
}

bool heading_write(const Heading *h, Writer *w)
{
    return writer_header(w, "extract", json_incref(h->params), json_incref(h->inputs), (Slice){NULL, 0},
                         json_pack("{s:O}", "may_change", h->may_change));
}

/* A list says only which sources there are, and may grow. Of a Karpathy file the sentences are in the records: it is the one that
 * FILE was made from, or those of old and new records would be of two. */
static bool inputs_agree(const OutputSettings *s, const json_t *was, const json_t *now, Error *err)
{
    const char *before = json_string_value(inputs_find(was, "coco")), *is = json_string_value(inputs_find(now, "coco"));
    return !before || !is || strcmp(before, is) == 0 ||
           error_set_status(
               err, STATUS_MISMATCH,
               "%s was written from a --coco file of digest %s, this one has %s: give the same file, or another FILE and "
               "journal",
               s->append, before, is);
}

/* What is in FILE was made with the options in its header; what follows must be too. */
static bool header_agrees(const OutputSettings *s, const json_t *header, const Heading *now, Error *err)
{
    const char *stage = json_string_value(json_object_get(header, "stage")), *name;
    json_t *params = json_object_get(header, "params"), *value;
    if (!stage || strcmp(stage, "extract") != 0)
        return error_set_status(err, STATUS_MISMATCH, "%s is a stream of stage %s, expected one that vlrm-extract has written",
                                s->append, stage ? stage : "nobody");
    json_object_foreach (params, name, value) {
        const json_t *given = json_object_get(now->params, name);
        if (!given || may_differ(name) || json_equal(given, value))
            continue;
        char *was = value_text(value), *is = value_text(given);
        error_set_status(err, STATUS_MISMATCH,
                         "%s was written with --%s %s, now it is %s: give the same options, or another FILE and journal",
                         s->append, name, was, is);
        free(was);
        free(is);
        return false;
    }
    return inputs_agree(s, json_object_get(header, "inputs"), now->inputs, err);
}

/* Copies the records that the journal vouches for; how many. What follows the last whole record of a killed run is expected to be
 * cut. Ends where a header says other options (err). */
static int64_t copy_vouched(const OutputSettings *s, const Journal *j, const Heading *heading, Reader *in, Writer *w, Totals *t,
                            Error *err)
{
    Record r;
    RecordKind kind;
    int64_t copied = 0;
    while ((kind = reader_next(in, &r)) != RECORD_NONE && kind != RECORD_FAILED) {
        Slice source;
        if (kind == RECORD_HEADER && !header_agrees(s, reader_header(in), heading, err))
            break;
        if (kind != RECORD_DATA || record_string(&r, "frame.source", &source) != FIELD_OK)
            continue;
        char *label = xstrndup(source.data, source.size);
        if (journal_lists(j, label)) {
            copied++;
            if (!writer_forward(w, &r) || !batch_count(s->batch, w, t))
                die("%s", writer_error(w)->text);
        }
        free(label);
    }
    if (kind == RECORD_FAILED)
        note("%s", reader_error(in)->text);
    return copied;
}

/* Made under one name: what a run killed here leaves, the next one takes. The caller holds the lock of the file it becomes. */
static int create_temporary(const char *path)
{
    Error err = {0};
    if (unlink(path) != 0 && errno != ENOENT)
        die("remove %s:", path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (fd < 0)
        die("create %s:", path);
    if (!lock_take(fd, path, &err))
        die("%s", err.text);
    return fd;
}

static Writer *resume(const OutputSettings *s, const Journal *j, const Heading *heading, Totals *t)
{
    Error err = {0};
    Reader *in = reader_open(s->append, &err);
    if (!in)
        die("%s", err.text);
    char *temporary = xasprintf("%s.writing", s->append);
    int fd = create_temporary(temporary);
    Writer *w = writer_new(fd, s->append, (int)s->zstd);
    if (!heading_write(heading, w))
        die("%s", writer_error(w)->text);
    Vouched v = journal_vouched(j);
    int64_t copied = copy_vouched(s, j, heading, in, w, t, &err);
    if (err.text[0] || copied != v.frames)
        unlink(temporary);
    if (err.text[0])
        die_status(err.status, "%s", err.text);
    if (copied != v.frames)
        die_status(STATUS_CORRUPT, "%s holds %lld readable records of the sources that %s lists, expected %lld%s%s", s->append,
                   (long long)copied, s->journal, (long long)v.frames, reader_error(in)->text[0] ? ": " : "",
                   reader_error(in)->text);
    if (!writer_flush(w) || fsync(fd) != 0)
        die("write %s:", temporary);
    if (rename(temporary, s->append) != 0)
        die("rename %s to %s:", temporary, s->append);
    t->failed = v.failed;
    t->filtered = v.filtered;
    reader_free(in);
    free(temporary);
    return w;
}

Writer *append_open(const OutputSettings *s, const Journal *j, const Heading *heading, Totals *t)
{
    Error err = {0};
    struct stat st;
    const Vouched v = journal_vouched(j);
    bool there = stat(s->append, &st) == 0, holds = there && st.st_size > 0;
    if (!there && errno != ENOENT)
        die("look at %s:", s->append);
    if (!holds && v.frames > 0)
        die_status(STATUS_CORRUPT, "%s is missing or empty, but %s lists %lld records in it", s->append, s->journal,
                   (long long)v.frames);
    int fd = lock_open(s->append, &err);
    if (fd < 0)
        die("%s", err.text);
    if (fstat(fd, &st) != 0)
        die("look at %s:", s->append);
    holds = st.st_size > 0;
    if (holds && s->resume)
        return resume(s, j, heading, t);
    if (holds)
        usage_error("%s exists already: --resume continues it", s->append);
    Writer *w = writer_new(fd, s->append, (int)s->zstd);
    if (!heading_write(heading, w))
        die("%s", writer_error(w)->text);
    t->failed = v.failed;
    t->filtered = v.filtered;
    return w;
}
