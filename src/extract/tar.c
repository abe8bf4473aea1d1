/*
 * WebDataset shards: each media member is a source named "shard.tar/member". Nothing is ever unpacked, so a
 * member's name can lead nowhere. The .txt and .json of a sample (members of one stem, side by side) go with its pictures.
 */
#include "extract/tar.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "base/clock.h"
#include "extract/input.h"
#include "extract/texts.h"
#include "media/tar.h"

enum { TEXT_BYTES = 16 << 20 };
static const int64_t member_max = (int64_t)1 << 31;

struct Tar {
    TarReader *a;  /* owned: NULL where it could not be opened */
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

Tar *tar_new(const SourceSettings *s, const Limits *limits, Source *archive)
{
    Tar *a = xcalloc(1, sizeof *a);
    a->source = *archive;
    a->shuffled = s->shuffled;
    a->later = s->shuffled || s->names_only;
    a->with_texts = s->texts;
    a->max_bytes = limits->max_bytes < member_max ? limits->max_bytes : member_max;
    double until = limits->deadline > 0 ? seconds_now() + limits->deadline : 0;
    a->opened = input_open(&a->in, &a->source, until, INT64_MAX, &a->report);
    if (a->opened)
        a->a = tar_reader_new(a->in.fd);
    return a;
}

void tar_free(Tar *a)
{
    if (!a)
        return;
    tar_reader_free(a->a);
    input_close(&a->in);
    source_release(&a->source);
    source_release(&a->pending);
    texts_release(&a->texts);
    free(a->sample);
    free(a);
}

static bool problem(Tar *a, Source *out, char *name)
{
    out->problem = tar_reader_error(a->a);
    out->name = name;
    out->label = xstrdup(name);
    a->ended = true;
    return true;
}

/* The bytes of a member; false when there are fewer than its header promises. */
static bool read_data(TarReader *t, Source *out, int64_t size)
{
    Buffer bytes = {0};
    if (!tar_reader_data(t, size, &bytes)) {
        buffer_release(&bytes);
        return false;
    }
    out->data = bytes.data;
    out->size = bytes.size;
    return true;
}

static char *large_text(int64_t size, int64_t most)
{
    return xasprintf("a member of %lld bytes, expected at most %lld", (long long)size, (long long)most);
}

/* Whether a member can be found again by its place in the file: in a compressed shard or a pipe it cannot. */
static bool can_seek(const Tar *a)
{
    return tar_reader_plain(a->a) && !a->in.copied;
}

/* A member that may be a source: read, or named for later. False where the archive ends within it: out->problem says so. */
static bool read_member(Tar *a, Source *out, const TarMember *m)
{
    char *name = xasprintf("%s/%s", a->source.label, m->name);
    out->bytes = a->source.bytes >= 0 ? m->size : -1;
    out->mtime = a->source.mtime;
    out->doubtful = !media_named(m->name);
    if (m->size > a->max_bytes) {
        out->problem = large_text(m->size, a->max_bytes);
    } else if (a->later && can_seek(a)) {
        out->shard = xstrdup(a->source.label);
        out->place = a->source.place;
        out->at = m->at;
    } else if (!read_data(a->a, out, m->size)) {
        return problem(a, out, name);
    }
    out->name = name;
    out->label = xstrdup(name);
    return true;
}

/* A text of the sample being read, which is known by the stem of its members' names. */
static void read_text(Tar *a, const TarMember *m)
{
    Source bytes = {0};
    if (m->size <= TEXT_BYTES && read_data(a->a, &bytes, m->size))
        text_take(&a->texts, m->name, (const char *)bytes.data, bytes.size);
    else if (!a->texts.text_problem)
        a->texts.text_problem = xasprintf("%s beside it is left out: it is cut, or has more than 16 MiB", m->name);
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
                                         tar_reader_plain(a->a) ? "a pipe" : "a compressed shard")};
    a->ended = true;
    return true;
}

/* Whether a member comes next. Else the archive has ended, or is broken: a->broken. */
static bool next_member(Tar *a, TarMember *m)
{
    TarNext next = a->ended ? TAR_END : tar_reader_next(a->a, m);
    a->broken |= next == TAR_BROKEN;
    a->ended |= next != TAR_MEMBER;
    return next == TAR_MEMBER;
}

bool tar_next(Tar *a, Source *out)
{
    TarMember m;
    if (!a->opened)
        return not_opened(a, out);
    *out = (Source){0};
    while (next_member(a, &m)) {
        if (a->shuffled && !can_seek(a))
            return not_seekable(a, out);
        const char *name = m.name;
        bool text = a->with_texts && text_named(name);
        bool ready = a->pending.name && (!text || !text_beside(a->sample, name)) && give_pending(a, out);
        begin_sample(a, name);
        if (text)
            read_text(a, &m);
        else
            (void)!read_member(a, &a->pending, &m); /* it then says so itself */
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
    TarReader *t = lseek(out->fd, out->at, SEEK_SET) == out->at ? tar_reader_new(out->fd) : NULL;
    TarMember m;
    bool found = t && tar_reader_next(t, &m) == TAR_MEMBER;
    int64_t most = max_bytes < member_max ? max_bytes : member_max;
    if (found && m.size > most) {
        out->problem = large_text(m.size, most);
    } else if (!found || !read_data(t, out, m.size)) {
        char *why = t ? tar_reader_error(t) : xstrdup("the file has changed or is cut");
        out->problem = xasprintf("its member at byte %lld of %s cannot be read: %s", (long long)out->at, out->shard, why);
        free(why);
    }
    tar_reader_free(t);
    source_close(out);
}
