/*
 * WebDataset shards through libarchive: each media member is a source named "shard.tar/member". Nothing is ever written, so a
 * member's name can lead nowhere. Members that WebDataset keeps beside the media (.json, .txt, .cls ..) are passed over.
 */
#include <archive.h>
#include <archive_entry.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "extract/extract.h"

enum { BLOCK = 1 << 18 };
static const int64_t member_max = (int64_t)1 << 31;

struct Tar {
    struct archive *a;
    char *path;
    Input in;
    bool opened;
    bool later;         /* members are named but not read */
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

static struct archive *reader_of_tar(void)
{
    struct archive *a = archive_read_new();
    if (!a)
        die_status(STATUS_MEMORY, "out of memory");
    archive_read_support_filter_all(a);
    archive_read_support_format_tar(a);
    archive_read_support_format_gnutar(a);
    return a;
}

Tar *tar_new(const char *path, double until, bool later)
{
    Tar *a = xcalloc(1, sizeof *a);
    a->path = xstrdup(path);
    a->later = later;
    a->a = reader_of_tar();
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

static const char *name_of(struct archive_entry *entry)
{
    const char *name = archive_entry_pathname(entry);
    return name ? name : "?";
}

/* The bytes of the member whose header was read; false when there are fewer than it promises. */
static bool read_data(struct archive *a, Source *out, size_t size)
{
    out->data = xmalloc(size + 1);
    while (out->size < size) {
        la_ssize_t n = archive_read_data(a, out->data + out->size, size - out->size);
        if (n <= 0)
            break;
        out->size += (size_t)n;
    }
    if (out->size == size)
        return true;
    free(out->data);
    out->data = NULL;
    return false;
}

static bool read_member(Tar *a, Source *out, struct archive_entry *entry)
{
    int64_t size = archive_entry_size(entry);
    char *name = xasprintf("%s/%s", a->path, name_of(entry));
    if (size > member_max) {
        out->problem = xasprintf("a member of %lld bytes, expected at most %lld", (long long)size, (long long)member_max);
        out->name = name;
        out->label = xstrdup(name);
        return true;
    }
    if (a->later) {
        out->shard = xstrdup(a->path);
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
    *out = (Source){.name = xstrdup(a->path), .label = xstrdup(a->path), .problem = xstrdup(a->report.reason)};
    a->ended = true;
    return true;
}

/* Whether a member can be found again by its place in the file: in a compressed shard or a pipe it cannot. */
static bool can_seek(Tar *a)
{
    struct stat st;
    return archive_filter_count(a->a) == 1 && stat(a->path, &st) == 0 && S_ISREG(st.st_mode);
}

static bool not_seekable(Tar *a, Source *out)
{
    *out = (Source){.name = xstrdup(a->path),
                    .label = xstrdup(a->path),
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
            return problem(a, out, xstrdup(a->path));
        if (a->later && !can_seek(a))
            return not_seekable(a, out);
        const char *name = archive_entry_pathname(entry);
        if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry) || (name && is_sidecar(name)))
            continue;
        return read_member(a, out, entry);
    }
    return false;
}

void tar_load(Source *out)
{
    struct archive *a = reader_of_tar();
    struct archive_entry *entry;
    int fd = open(out->shard, O_RDONLY | O_CLOEXEC);
    bool found = fd >= 0 && lseek(fd, out->at, SEEK_SET) == out->at && archive_read_open_fd(a, fd, BLOCK) == ARCHIVE_OK &&
                 archive_read_next_header(a, &entry) >= ARCHIVE_WARN && archive_entry_size(entry) <= member_max;
    if (!found || !read_data(a, out, (size_t)archive_entry_size(entry)))
        out->problem = xasprintf("its member at byte %lld of %s cannot be read: %s", (long long)out->at, out->shard,
                                 archive_error_string(a) ? archive_error_string(a) : "the file has changed or is cut");
    archive_read_free(a);
    if (fd >= 0)
        close(fd);
}
