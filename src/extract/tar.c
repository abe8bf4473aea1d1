/*
 * WebDataset shards through libarchive: each media member is a source named "shard.tar/member". Nothing is ever written, so a
 * member's name can lead nowhere. Members that WebDataset keeps beside the media (.json, .txt, .cls ..) are passed over.
 */
#include "extract/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "extract/input.h"

enum { BLOCK = 1 << 18, STEP = 1 << 20 };
static const int64_t member_max = (int64_t)1 << 31;

struct Tar {
    struct archive *a;
    Source source; /* owned: the archive */
    Input in;
    bool opened;
    bool shuffled;      /* members are taken out of order */
    bool later;         /* members are named and, where they can be found again, not read */
    int64_t max_bytes;  /* of a member */
    VideoReport report; /* why it could not be opened */
    bool ended;
};

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcasecmp(text + n - m, end) == 0;
}

bool is_archive(const char *path)
{
    static const char *const ends[] = {".tar", ".tar.gz", ".tgz", ".tar.zst", ".tar.bz2", ".tar.xz"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_with(path, ends[i]))
            return true;
    return false;
}

static bool is_sidecar(const char *name)
{
    static const char *const ends[] = {".json", ".jsonl", ".txt", ".cls",    ".cls2",    ".caption", ".npy", ".npz",
                                       ".pyd",  ".pth",   ".pkl", ".pickle", ".msgpack", ".mp",      ".xml", ".csv",
                                       ".tsv",  ".srt",   ".vtt", ".index",  ".id",      ".md"};
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++)
        if (ends_with(name, ends[i]))
            return true;
    return false;
}

/* A filter, where libarchive has it built in; else it would run a program for it. */
static void support(struct archive *a, int (*filter)(struct archive *))
{
    struct archive *trial = archive_read_new();
    if (trial && filter(trial) == ARCHIVE_OK)
        filter(a);
    archive_read_free(trial);
}

static struct archive *reader_of_tar(void)
{
    struct archive *a = archive_read_new();
    if (!a)
        die_status(STATUS_MEMORY, "out of memory");
    support(a, archive_read_support_filter_gzip);
    support(a, archive_read_support_filter_zstd);
    support(a, archive_read_support_filter_xz);
    support(a, archive_read_support_filter_bzip2);
    archive_read_support_format_tar(a);
    archive_read_support_format_gnutar(a);
    return a;
}

Tar *tar_new(const Settings *s, Source *archive)
{
    Tar *a = xcalloc(1, sizeof *a);
    a->source = *archive;
    a->shuffled = s->shuffle != NULL;
    a->later = s->shuffle || s->dry_run;
    a->max_bytes = s->max_bytes < member_max ? s->max_bytes : member_max;
    a->a = reader_of_tar();
    double until = s->deadline > 0 ? seconds_now() + s->deadline : 0;
    a->opened = input_open(&a->in, &a->source, until, INT64_MAX, &a->report);
    if (a->opened)
        archive_read_open_fd(a->a, a->in.fd, BLOCK); /* failure shows at the first header */
    return a;
}

void tar_free(Tar *a)
{
    if (!a)
        return;
    archive_read_free(a->a);
    input_close(&a->in);
    source_release(&a->source);
    free(a);
}

static bool problem(Tar *a, Source *out, char *name)
{
    const char *text = archive_error_string(a->a);
    out->problem = xasprintf("%s at byte %lld", text ? text : "not a tar file", (long long)archive_filter_bytes(a->a, 0));
    out->name = name;
    out->label = xstrdup(name);
    a->ended = true;
    return true;
}

static const char *name_of(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    return name ? name : "?";
}

/* The bytes of the member whose header was read; false when there are fewer than it promises. Memory grows with what comes. */
static bool read_data(struct archive *a, Source *out, size_t size)
{
    size_t capacity = 0;
    la_ssize_t n = 1;
    out->data = array_reserve(NULL, &capacity, 1, 1);
    while (out->size < size && n > 0) {
        size_t step = size - out->size < STEP ? size - out->size : STEP;
        out->data = array_reserve(out->data, &capacity, out->size + step, 1);
        n = archive_read_data(a, out->data + out->size, step);
        out->size += n > 0 ? (size_t)n : 0;
    }
    if (out->size == size)
        return true;
    free(out->data);
    out->data = NULL;
    return false;
}

static char *large_text(int64_t size, int64_t most)
{
    return xasprintf("a member of %lld bytes, expected at most %lld", (long long)size, (long long)most);
}

/* Whether a member can be found again by its place in the file: in a compressed shard or a pipe it cannot. */
static bool can_seek(const Tar *a)
{
    return archive_filter_count(a->a) == 1 && !a->in.copied;
}

static bool read_member(Tar *a, Source *out, struct archive_entry *entry)
{
    int64_t size = archive_entry_size(entry);
    char *name = xasprintf("%s/%s", a->source.label, name_of(entry));
    out->bytes = a->source.bytes >= 0 ? size : -1;
    out->mtime = a->source.mtime;
    if (size > a->max_bytes) {
        out->problem = large_text(size, a->max_bytes);
    } else if (a->later && can_seek(a)) {
        out->shard = xstrdup(a->source.label);
        out->place = a->source.place;
        out->at = archive_read_header_position(a->a);
    } else if (!read_data(a->a, out, (size_t)size)) {
        return problem(a, out, name);
    }
    out->name = name;
    out->label = xstrdup(name);
    return true;
}

/* A shard that could not be opened is a source that says why, once; not where the program was asked to end meanwhile. */
static bool not_opened(Tar *a, Source *out)
{
    if (a->ended || a->report.verdict == VERDICT_CUT)
        return false;
    const char *name = a->source.label;
    *out = (Source){.name = xstrdup(name), .label = xstrdup(name), .problem = xstrdup(a->report.reason)};
    a->ended = true;
    return true;
}

static bool not_seekable(Tar *a, Source *out)
{
    *out = (Source){.name = xstrdup(a->source.label),
                    .label = xstrdup(a->source.label),
                    .problem = xasprintf("%s, whose members --shuffle cannot take out of order: give it as a plain tar file",
                                         archive_filter_count(a->a) == 1 ? "a pipe" : "a compressed shard")};
    a->ended = true;
    return true;
}

bool tar_next(Tar *a, Source *out)
{
    struct archive_entry *entry;
    if (!a->opened)
        return not_opened(a, out);
    while (!a->ended) {
        *out = (Source){0};
        int rc = archive_read_next_header(a->a, &entry);
        if (rc == ARCHIVE_EOF)
            return false;
        if (rc < ARCHIVE_WARN)
            return problem(a, out, xstrdup(a->source.label));
        if (a->shuffled && !can_seek(a))
            return not_seekable(a, out);
        const char *name = archive_entry_pathname(entry);
        if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) || (name && is_sidecar(name)))
            continue;
        return read_member(a, out, entry);
    }
    return false;
}

void tar_load(Source *out, int64_t max_bytes)
{
    struct archive *a = reader_of_tar();
    struct archive_entry *entry;
    bool found = lseek(out->fd, out->at, SEEK_SET) == out->at && archive_read_open_fd(a, out->fd, BLOCK) == ARCHIVE_OK &&
                 archive_read_next_header(a, &entry) >= ARCHIVE_WARN;
    int64_t size = found ? archive_entry_size(entry) : 0, most = max_bytes < member_max ? max_bytes : member_max;
    if (size > most)
        out->problem = large_text(size, most);
    else if (!found || !read_data(a, out, (size_t)size))
        out->problem = xasprintf("its member at byte %lld of %s cannot be read: %s", (long long)out->at, out->shard,
                                 archive_error_string(a) ? archive_error_string(a) : "the file has changed or is cut");
    archive_read_free(a);
    source_close(out);
}
