/* --append FILE: a stream in a file that later runs go on with; see journal.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extract/journal.h"

bool batch_count(const Settings *s, Writer *w, Totals *t)
{
    if (s->batch == 0 || ++t->in_batch < s->batch)
        return true;
    t->in_batch = 0;
    return writer_batch(w, t->batches++, s->batch, -1);
}

/* Copies the records that the journal vouches for; how many. What follows the last whole record of a killed run is expected to be
 * cut. */
static int64_t copy_vouched(const Settings *s, const Journal *j, Reader *in, Writer *w, Totals *t)
{
    Record r;
    RecordKind kind;
    int64_t copied = 0;
    while ((kind = reader_next(in, &r)) != RECORD_NONE && kind != RECORD_FAILED) {
        Slice source;
        if (kind != RECORD_DATA || record_string(&r, "frame.source", &source) != FIELD_OK)
            continue;
        char *label = xstrndup(source.data, source.size);
        if (journal_lists(j, label)) {
            copied++;
            if (!writer_forward(w, &r) || !batch_count(s, w, t))
                die("%s", writer_error(w)->text);
        }
        free(label);
    }
    if (kind == RECORD_FAILED)
        note("%s", reader_error(in)->text);
    return copied;
}

static int create(const char *path, int how)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | how, 0666);
    if (fd < 0)
        die("create %s:", path);
    return fd;
}

static Writer *resume(const Settings *s, const Journal *j, Begin begin, Totals *t)
{
    Error err = {0};
    Reader *in = reader_open(s->append, &err);
    if (!in)
        die("%s", err.text);
    char *temporary = xasprintf("%s.writing", s->append); /* one name: what a run killed here leaves, the next one removes */
    unlink(temporary);
    int fd = create(temporary, O_EXCL | O_NOFOLLOW);
    Writer *w = writer_new(fd, s->append, (int)s->zstd);
    if (!begin(w))
        die("%s", writer_error(w)->text);
    Vouched v = journal_vouched(j);
    int64_t copied = copy_vouched(s, j, in, w, t);
    if (copied != v.frames) {
        unlink(temporary);
        die_status(STATUS_CORRUPT, "%s holds %lld readable records of the sources that %s lists, expected %lld%s%s", s->append,
                   (long long)copied, s->journal, (long long)v.frames, reader_error(in)->text[0] ? ": " : "",
                   reader_error(in)->text);
    }
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

Writer *append_open(const Settings *s, const Journal *j, Begin begin, Totals *t)
{
    struct stat st;
    bool holds = stat(s->append, &st) == 0 && st.st_size > 0;
    if (holds && s->resume)
        return resume(s, j, begin, t);
    if (holds)
        usage_error("%s exists already: --resume goes on with it", s->append);
    if (journal_vouched(j).frames > 0)
        die_status(STATUS_CORRUPT, "%s is missing or empty, but %s lists %lld records in it", s->append, s->journal,
                   (long long)journal_vouched(j).frames);
    Writer *w = writer_new(create(s->append, O_TRUNC), s->append, (int)s->zstd);
    if (!begin(w))
        die("%s", writer_error(w)->text);
    t->failed = journal_vouched(j).failed;
    t->filtered = journal_vouched(j).filtered;
    return w;
}
