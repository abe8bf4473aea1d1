/*
 * WebDataset shards through libarchive: each media member is a source named "shard.tar/member". Nothing is ever written, so a
 * member's name can lead nowhere. Members that WebDataset keeps beside the media (.json, .txt, .cls ..) are passed over.
 */
#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "extract/extract.h"

enum { BLOCK = 1 << 18 };
static const int64_t member_max = (int64_t)1 << 31;

struct Tar {
    struct archive *a;
    char *path;
    Input in;
    bool opened;
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

Tar *tar_new(const char *path, double until)
{
    Tar *a = xcalloc(1, sizeof *a);
    a->path = xstrdup(path);
    a->a = archive_read_new();
    archive_read_support_filter_all(a->a);
    archive_read_support_format_tar(a->a);
    archive_read_support_format_gnutar(a->a);
    if (!a->a)
        die_status(STATUS_MEMORY, "out of memory");
    const Source shard = {.path = a->path};
    a->opened = input_open(&a->in, &shard, until, &a->report);
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
    free(a->path);
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

static bool read_member(Tar *a, Source *out, struct archive_entry *entry)
{
    int64_t size = archive_entry_size(entry);
    char *name = xasprintf("%s/%s", a->path, archive_entry_pathname(entry) ? archive_entry_pathname(entry) : "?");
    if (size > member_max) {
        out->problem = xasprintf("a member of %lld bytes, expected at most %lld", (long long)size, (long long)member_max);
        out->name = name;
        out->label = xstrdup(name);
        return true;
    }
    out->data = xmalloc((size_t)size + 1);
    while (out->size < (size_t)size) {
        la_ssize_t n = archive_read_data(a->a, out->data + out->size, (size_t)size - out->size);
        if (n <= 0)
            break;
        out->size += (size_t)n;
    }
    if (out->size < (size_t)size) {
        free(out->data);
        out->data = NULL;
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
    *out = (Source){.name = xstrdup(a->path), .label = xstrdup(a->path), .problem = xstrdup(a->report.reason)};
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
            return problem(a, out, xstrdup(a->path));
        const char *name = archive_entry_pathname(entry);
        if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) || (name && is_sidecar(name)))
            continue;
        return read_member(a, out, entry);
    }
    return false;
}
