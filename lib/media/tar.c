/* Tar archives through libarchive; see tar.h. Nothing is ever unpacked, so a member's name can lead nowhere. */
#include "media/tar.h"

#include <archive.h>
#include <archive_entry.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 1 << 18, STEP = 1 << 20 };

struct TarReader {
    struct archive *a;
};

struct TarWriter {
    struct archive *a;
    struct archive_entry *entry;
};

static _Noreturn void no_memory(void)
{
    die_status(STATUS_MEMORY, "out of memory");
}

/* A filter, where libarchive has it built in; else it would run a program for it. */
static void support(struct archive *a, int (*filter)(struct archive *))
{
    struct archive *trial = archive_read_new();
    if (trial && filter(trial) == ARCHIVE_OK)
        filter(a);
    archive_read_free(trial);
}

TarReader *tar_reader_new(int fd)
{
    TarReader *t = xcalloc(1, sizeof *t);
    t->a = archive_read_new();
    if (!t->a)
        no_memory();
    support(t->a, archive_read_support_filter_gzip);
    support(t->a, archive_read_support_filter_zstd);
    support(t->a, archive_read_support_filter_xz);
    support(t->a, archive_read_support_filter_bzip2);
    archive_read_support_format_tar(t->a);
    archive_read_support_format_gnutar(t->a);
    archive_read_open_fd(t->a, fd, BLOCK); /* failure shows at the first header */
    return t;
}

void tar_reader_free(TarReader *t)
{
    if (t)
        archive_read_free(t->a);
    free(t);
}

TarNext tar_reader_next(TarReader *t, TarMember *m)
{
    struct archive_entry *entry;
    int rc;
    while ((rc = archive_read_next_header(t->a, &entry)) >= ARCHIVE_WARN && rc != ARCHIVE_EOF) {
        if (archive_entry_filetype(entry) != AE_IFREG || archive_entry_hardlink(entry))
            continue;
        const char *name = archive_entry_pathname(entry);
        *m = (TarMember){name ? name : "?", archive_entry_size(entry), archive_read_header_position(t->a)};
        return TAR_MEMBER;
    }
    return rc == ARCHIVE_EOF ? TAR_END : TAR_BROKEN;
}

bool tar_reader_data(TarReader *t, int64_t size, Buffer *out)
{
    la_ssize_t n = 1;
    out->size = 0;
    out->data = array_reserve(out->data, &out->capacity, 1, 1);
    while ((int64_t)out->size < size && n > 0) {
        size_t step = size - (int64_t)out->size < STEP ? (size_t)size - out->size : STEP;
        out->data = array_reserve(out->data, &out->capacity, out->size + step, 1);
        n = archive_read_data(t->a, out->data + out->size, step);
        out->size += n > 0 ? (size_t)n : 0;
    }
    return (int64_t)out->size == size;
}

bool tar_reader_plain(const TarReader *t)
{
    return archive_filter_count(t->a) == 1;
}

char *tar_reader_error(const TarReader *t)
{
    const char *text = archive_error_string(t->a);
    return xasprintf("%s at byte %lld", text ? text : "not a tar file", (long long)archive_filter_bytes(t->a, 0));
}

TarWriter *tar_writer_new(int fd)
{
    TarWriter *t = xcalloc(1, sizeof *t);
    t->a = archive_write_new();
    t->entry = archive_entry_new();
    if (!t->a || !t->entry || archive_write_set_format_pax_restricted(t->a) != ARCHIVE_OK ||
        archive_write_open_fd(t->a, fd) != ARCHIVE_OK)
        no_memory();
    return t;
}

/* What libarchive says, and what the system said to it. */
static bool not_written(const TarWriter *t, Error *err)
{
    const char *text = archive_error_string(t->a);
    int why = archive_errno(t->a);
    return error_set(err, "%s%s%s", text ? text : "the archive cannot be written", why > 0 ? ": " : "",
                     why > 0 ? strerror(why) : "");
}

bool tar_writer_add(TarWriter *t, const char *name, const void *data, size_t size, Error *err)
{
    archive_entry_clear(t->entry);
    archive_entry_set_pathname(t->entry, name);
    archive_entry_set_size(t->entry, (la_int64_t)size);
    archive_entry_set_filetype(t->entry, AE_IFREG);
    archive_entry_set_perm(t->entry, 0644);
    archive_entry_set_mtime(t->entry, 0, 0);
    bool ok = archive_write_header(t->a, t->entry) == ARCHIVE_OK;
    if (ok && size > 0)
        ok = archive_write_data(t->a, data, size) == (la_ssize_t)size;
    return ok || not_written(t, err);
}

bool tar_writer_end(TarWriter *t, Error *err)
{
    bool ok = archive_write_close(t->a) == ARCHIVE_OK;
    if (!ok)
        (void)!not_written(t, err);
    archive_write_free(t->a);
    archive_entry_free(t->entry);
    free(t);
    return ok;
}
