/*
 * The journal: one JSON line for each source that is done, written after its last record was flushed, so that a kill at any
 * moment leaves either a source with all its records and a line, or one without a line. The last line of a source counts.
 */
#include "extract/journal.h"

#include <fcntl.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/hashmap.h"
#include "base/io.h"
#include "base/lock.h"

typedef struct Entry {
    int64_t frames, failed, filtered;
    uint64_t *phashes; /* owned */
    size_t n_phashes;
    Was was;
    bool done; /* not to be tried again */
} Entry;

struct Journal {
    const char *path;
    int fd;
    Entry *entries; /* owned: the last word on each source */
    size_t count, capacity;
    HashMap index; /* of a label's hash: which entry, from 1 */
};

static void put(Journal *j, const char *label, Entry e)
{
    int64_t *at = hashmap_at(&j->index, hash_id(label, strlen(label)));
    if (*at == 0) {
        j->entries = array_reserve(j->entries, &j->capacity, j->count + 1, sizeof *j->entries);
        *at = (int64_t)++j->count;
    } else {
        free(j->entries[*at - 1].phashes);
    }
    j->entries[*at - 1] = e;
}

static int64_t number(json_t *line, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(line, key));
}

static void take_phashes(Entry *e, const json_t *list)
{
    e->n_phashes = json_array_size(list);
    e->phashes = xcalloc(e->n_phashes + 1, sizeof *e->phashes);
    for (size_t i = 0; i < e->n_phashes; i++) {
        const char *digits = json_string_value(json_array_get(list, i));
        e->phashes[i] = digits ? strtoull(digits, NULL, 16) : 0;
    }
}

/* Nothing of NULL. */
static void take_was(Was *was, const json_t *line)
{
    const json_t *bytes = json_object_get(line, "bytes"), *mtime = json_object_get(line, "mtime");
    const char *digest = json_string_value(json_object_get(line, "digest"));
    was->bytes = json_is_integer(bytes) ? json_integer_value(bytes) : -1;
    was->mtime = json_is_integer(mtime) ? json_integer_value(mtime) : -1;
    snprintf(was->digest.text, sizeof was->digest.text, "%s", digest ? digest : "");
}

/* One line; what is no such line is the torn end of a killed run's last write, or not a journal. */
static bool take_line(Journal *j, const char *text, bool retry)
{
    json_t *line = json_loads(text, 0, NULL);
    const char *source = json_string_value(json_object_get(line, "source"));
    const char *verdict = json_string_value(json_object_get(line, "verdict"));
    if (source && verdict) {
        bool complete = strcmp(verdict, "complete") == 0;
        int64_t missing = number(line, "missing");
        Entry e = {.frames = number(line, "frames"),
                   .failed = complete      ? 0
                             : missing > 0 ? missing
                                           : 1,
                   .filtered = number(line, "filtered"),
                   .done = complete || !retry};
        take_phashes(&e, json_object_get(line, "looks"));
        take_was(&e.was, complete ? line : NULL);
        put(j, source, e);
    }
    json_decref(line);
    return source && verdict;
}

/* Whether these n bytes without newline can be what a killed run had written of a line; of another file nothing is cut off. */
static bool is_torn_line(const char *text, size_t n)
{
    static const char begin[] = "{\"source\":";
    return memcmp(text, begin, n < sizeof begin - 1 ? n : sizeof begin - 1) == 0 && !memchr(text, '\0', n);
}

static bool not_a_line(const Journal *j, size_t line, const char *found, Error *err)
{
    return error_set(err, "%s, line %zu: '%.80s', expected {\"source\", \"verdict\", \"frames\", \"missing\"}", j->path, line,
                     found);
}

/* Reads what is there; a last line without its newline is cut off. */
static bool read_lines(Journal *j, bool retry, bool only_read, Error *err)
{
    size_t size, line = 1;
    char *text = file_read(j->path, &size, err);
    if (!text)
        return false;
    char *at = text, *end;
    bool ok = true;
    for (; ok && (end = memchr(at, '\n', size - (size_t)(at - text))); at = end + 1, line++) {
        *end = '\0';
        if (strlen(at) != (size_t)(end - at) || !take_line(j, at, retry))
            ok = not_a_line(j, line, at, err);
    }
    size_t left = size - (size_t)(at - text);
    if (ok && left > 0 && !is_torn_line(at, left))
        ok = not_a_line(j, line, at, err);
    if (ok && left > 0 && !only_read && ftruncate(j->fd, at - text) != 0)
        ok = error_set(err, "shorten %s:", j->path);
    free(text);
    return ok;
}

Journal *journal_look(const OutputSettings *s, Error *err)
{
    Journal *j = xcalloc(1, sizeof *j);
    bool there;
    *j = (Journal){.path = s->journal, .fd = -1};
    if (path_exists(s->journal, &there, err) && (!there || !s->resume || read_lines(j, s->retry == RETRY_FAILED, true, err)))
        return j;
    journal_close(j);
    return NULL;
}

Journal *journal_open(const OutputSettings *s, bool with_phashes, Error *err)
{
    Journal *j = xcalloc(1, sizeof *j);
    j->path = s->journal;
    j->fd = open(s->journal, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    bool ok = j->fd >= 0 || error_set(err, "open %s:", s->journal);
    ok = ok && lock_take(j->fd, s->journal, err);
    if (ok && s->resume)
        ok = read_lines(j, s->retry == RETRY_FAILED, false, err);
    size_t n_phashes;
    free(journal_phashes(j, &n_phashes));
    if (ok && with_phashes && (int64_t)n_phashes != journal_vouched(j).frames)
        ok = error_set_status(err, STATUS_USAGE, "%s has %zu hashes for %lld frames: it was not written with --dedup-all",
                              s->journal, n_phashes, (long long)journal_vouched(j).frames);
    if (ok && !s->resume && lseek(j->fd, 0, SEEK_END) > 0)
        ok = error_set_status(err, STATUS_USAGE, "%s exists already: --resume continues it", s->journal);
    if (ok)
        return j;
    journal_close(j);
    return NULL;
}

bool journal_lists(const Journal *j, const char *label)
{
    int64_t at = j ? hashmap_get(&j->index, hash_id(label, strlen(label))) : 0;
    return at > 0 && j->entries[at - 1].done;
}

Was journal_was(const Journal *j, const char *label)
{
    int64_t at = hashmap_get(&j->index, hash_id(label, strlen(label)));
    return at > 0 ? j->entries[at - 1].was : (Was){.bytes = -1, .mtime = -1};
}

Vouched journal_vouched(const Journal *j)
{
    Vouched v = {0};
    for (size_t i = 0; i < j->count; i++)
        if (j->entries[i].done) {
            v.frames += j->entries[i].frames;
            v.failed += j->entries[i].failed;
            v.filtered += j->entries[i].filtered;
        }
    return v;
}

uint64_t *journal_phashes(const Journal *j, size_t *n)
{
    uint64_t *phashes = NULL;
    size_t capacity = 0;
    *n = 0;
    for (size_t i = 0; i < j->count; i++) {
        const Entry *e = &j->entries[i];
        if (!e->done || e->n_phashes == 0)
            continue;
        phashes = array_reserve(phashes, &capacity, *n + e->n_phashes, sizeof *phashes);
        memcpy(phashes + *n, e->phashes, e->n_phashes * sizeof *phashes);
        *n += e->n_phashes;
    }
    return phashes;
}

static json_t *phashes_json(const uint64_t *phashes, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_sprintf("%016llx", (unsigned long long)phashes[i]));
    return list;
}

/* What a source brought in may not be UTF-8. */
static json_t *reason_json(const char *text)
{
    json_t *reason = json_string(text);
    return reason ? reason : json_string("(not text)");
}

static json_t *gaps_json(const VideoGaps *gaps)
{
    json_t *list = json_array();
    for (size_t i = 0; i < gaps->count; i++) {
        const VideoGap *g = &gaps->items[i];
        json_t *gap = json_object();
        if (isfinite(g->time))
            json_object_set_new(gap, "time", json_real(g->time));
        if (g->byte >= 0)
            json_object_set_new(gap, "byte", json_integer(g->byte));
        json_object_set_new(gap, "reason", reason_json(g->reason));
        json_array_append_new(list, gap);
    }
    return list;
}

bool journal_write(Journal *j, const Source *source, const Outcome *o, const uint64_t *phashes, Error *err)
{
    json_t *line = json_pack("{s:s, s:s, s:I, s:I}", "source", source->label, "verdict", verdict_name(o->report.verdict),
                             "frames", (json_int_t)o->frames, "missing", (json_int_t)o->report.missing);
    if (o->filtered > 0)
        json_object_set_new(line, "filtered", json_integer(o->filtered));
    if (o->report.reason[0])
        json_object_set_new(line, "reason", reason_json(o->report.reason));
    if (o->gaps.count > 0)
        json_object_set_new(line, "gaps", gaps_json(&o->gaps));
    if (o->gaps.more > 0)
        json_object_set_new(line, "gaps_more", json_integer(o->gaps.more));
    if (source->pass > 1)
        json_object_set_new(line, "pass", json_integer(source->pass));
    if (source->bytes >= 0) {
        json_object_set_new(line, "bytes", json_integer(source->bytes));
        json_object_set_new(line, "mtime", json_integer(source->mtime));
    }
    if (o->digest.text[0])
        json_object_set_new(line, "digest", json_string(o->digest.text));
    if (phashes)
        json_object_set_new(line, "looks", phashes_json(phashes, (size_t)o->frames));
    char *text = json_dumps(line, JSON_COMPACT | JSON_REAL_PRECISION(15)), *whole = xasprintf("%s\n", text);
    bool ok = write_in_full(j->fd, whole, strlen(whole)) || error_set(err, "write %s:", j->path);
    free(whole);
    free(text);
    json_decref(line);
    return ok;
}

void journal_close(Journal *j)
{
    if (!j)
        return;
    if (j->fd >= 0)
        close(j->fd);
    for (size_t i = 0; i < j->count; i++)
        free(j->entries[i].phashes);
    free(j->entries);
    hashmap_release(&j->index);
    free(j);
}
