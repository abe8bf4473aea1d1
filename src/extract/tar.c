/*
 * WebDataset shards through libarchive: each media member is a source named "shard.tar/member". Nothing is ever written, so a
 * member's name can lead nowhere. The .txt and .json of a sample (members of one stem, side by side) go with its pictures.
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
#include "extract/texts.h"

enum { BLOCK = 1 << 18, STEP = 1 << 20, TEXT_BYTES = 16 << 20 };
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
    bool with_texts;
    Source pending; /* owned: a picture whose texts may come behind it */
    char *sample;   /* owned: the name of the member read last .. */
    Source texts;   /* owned: .. and the texts of that stem */
    bool ended, broken;
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
    a->with_texts = s->texts;
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
    source_release(&a->pending);
    texts_release(&a->texts);
    free(a->sample);
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

/* A member that may be a source: read, or named for later. False where the archive ends within it: out->problem says so. */
static bool read_member(Tar *a, Source *out, struct archive_entry *entry)
{
    int64_t size = archive_entry_size(entry);
    char *name = xasprintf("%s/%s", a->source.label, name_of(entry));
    out->bytes = a->source.bytes >= 0 ? size : -1;
    out->mtime = a->source.mtime;
    out->doubtful = !media_named(name_of(entry));
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

/* A text of the sample being read, which is known by the stem of its members' names. */
static void read_text(Tar *a, struct archive_entry *entry)
{
    Source bytes = {0};
    int64_t size = archive_entry_size(entry);
    if (size >= 0 && size <= TEXT_BYTES && read_data(a->a, &bytes, (size_t)size))
        text_take(&a->texts, name_of(entry), (const char *)bytes.data, (size_t)size);
    else if (!a->texts.text_problem)
        a->texts.text_problem = xasprintf("%s beside it is left out: it is cut, or has more than 16 MiB", name_of(entry));
    free(bytes.data);
}

/* A member of another sample: the texts read so far are no longer meant. */
static void begin_sample(Tar *a, const char *name)
{
    if (a->sample && text_beside(a->sample, name))
        return;
    texts_release(&a->texts);
    free(a->sample);
    a->sample = xstrdup(name);
}

/* The picture that waited for the texts behind it; false where none did. */
static bool give_pending(Tar *a, Source *out)
{
    if (!a->pending.name)
        return false;
    *out = a->pending;
    a->pending = (Source){0};
    texts_copy(out, &a->texts);
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

/* Whether a member comes next, in *entry: a regular file. Else the archive has ended, or is broken: a->broken. */
static bool next_entry(Tar *a, struct archive_entry **entry)
{
    while (!a->ended) {
        int rc = archive_read_next_header(a->a, entry);
        a->broken = rc < ARCHIVE_WARN;
        a->ended = rc == ARCHIVE_EOF || a->broken;
        if (!a->ended && archive_entry_filetype(*entry) == AE_IFREG && !archive_entry_hardlink(*entry))
            return true;
    }
    return false;
}

bool tar_next(Tar *a, Source *out)
{
    struct archive_entry *entry;
    if (!a->opened)
        return not_opened(a, out);
    *out = (Source){0};
    while (next_entry(a, &entry)) {
        if (a->shuffled && !can_seek(a))
            return not_seekable(a, out);
        const char *name = name_of(entry);
        bool text = a->with_texts && text_named(name);
        bool ready = a->pending.name && (!text || !text_beside(a->sample, name)) && give_pending(a, out);
        begin_sample(a, name);
        if (text)
            read_text(a, entry);
        else
            (void)!read_member(a, &a->pending, entry); /* it then says so itself */
        if (ready)
            return true;
    }
    if (give_pending(a, out))
        return true;
    if (!a->broken)
        return false;
    a->broken = false;
    return problem(a, out, xstrdup(a->source.label));
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
