/* Files that appear whole or not at all; see file.h. */
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/memory.h"

char *path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);
    return xasprintf("%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
}

bool atomic_open(AtomicFile *f, const char *path, Error *err)
{
    *f = (AtomicFile){0};
    f->path = xstrdup(path);
    f->writing = xasprintf("%s.writing-%ld", path, (long)getpid());
    f->stream = fopen(f->writing, "wb");
    if (f->stream)
        return true;
    error_set(err, "create %s:", f->writing);
    atomic_abort(f);
    return false;
}

void atomic_abort(AtomicFile *f)
{
    if (f->stream) {
        fclose(f->stream);
        unlink(f->writing);
    }
    free(f->path);
    free(f->writing);
    *f = (AtomicFile){0};
}

bool folder_sync(const char *path, Error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return error_set(err, "open %s:", path);
    bool ok = fsync(fd) == 0 || errno == EINVAL;
    if (!ok)
        error_set(err, "sync %s:", path);
    close(fd);
    return ok;
}

bool atomic_commit(AtomicFile *f, Error *err)
{
    bool ok = fflush(f->stream) == 0 && !ferror(f->stream) && fsync(fileno(f->stream)) == 0;
    if (!ok)
        error_set(err, "write %s:", f->path);
    ok = fclose(f->stream) == 0 && ok;
    f->stream = NULL;
    if (ok && rename(f->writing, f->path) != 0)
        ok = error_set(err, "rename %s to %s:", f->writing, f->path);
    if (!ok) {
        error_set(err, "write %s:", f->path);
        unlink(f->writing);
    }
    char *copy = xstrdup(f->path);
    if (ok)
        ok = folder_sync(dirname(copy), err);
    free(copy);
    atomic_abort(f);
    return ok;
}

bool file_write(const char *path, const void *data, size_t size, Error *err)
{
    AtomicFile f;
    if (!atomic_open(&f, path, err))
        return false;
    fwrite(data, 1, size, f.stream);
    return atomic_commit(&f, err);
}

/* Closes f. */
static char *read_all(FILE *f, const char *path, size_t most, size_t *size, Error *err)
{
    char *data = NULL;
    size_t capacity = 0, n = 0, got;
    do {
        data = array_reserve(data, &capacity, n + 65536 + 1, 1);
        got = fread(data + n, 1, 65536, f);
        n += got;
    } while (got > 0 && n <= most);
    bool failed = ferror(f);
    if (failed)
        error_set(err, "read %s:", path);
    if (n > most)
        failed = !error_set(err, "%s: more than %zu bytes", path, most);
    fclose(f);
    if (failed) {
        free(data);
        return NULL;
    }
    data[n] = '\0';
    if (size)
        *size = n;
    return data;
}

char *file_read(const char *path, size_t *size, Error *err)
{
    FILE *f = fopen(path, "rb");
    if (!f) {
        error_set(err, "open %s:", path);
        return NULL;
    }
    return read_all(f, path, SIZE_MAX, size, err);
}

char *file_read_regular(const char *path, size_t most, size_t *size, Error *err)
{
    struct stat s;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe without writer is opened all the same */
    FILE *f = fd >= 0 && fstat(fd, &s) == 0 ? fdopen(fd, "rb") : NULL;
    if (f && S_ISREG(s.st_mode))
        return read_all(f, path, most, size, err);
    error_set(err, f ? "%s: not a regular file" : "open %s:", path);
    if (f)
        fclose(f);
    else if (fd >= 0)
        close(fd);
    return NULL;
}

bool folder_make(const char *path, Error *err)
{
    char *copy = xstrdup(path);
    bool ok = true;
    for (char *c = copy + 1; ok; c++) {
        if (*c != '/' && *c)
            continue;
        char kept = *c;
        *c = '\0';
        if (mkdir(copy, 0777) != 0 && errno != EEXIST)
            ok = error_set(err, "create folder %s:", copy);
        *c = kept;
        if (!kept)
            break;
    }
    free(copy);
    return ok;
}

/* Installed programs find their share folder from their own place: PREFIX/bin/vlrm-x beside PREFIX/share/vlrm,
 * build/<variant>/bin beside share. */
char *share_path(const char *name)
{
    static const char *const relative[] = {"../share/vlrm", "../share", "../../../share"};
    const char *given = getenv("VLRM_SHARE");
    if (given)
        return path_join(given, name);
    char self[4096];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    self[n > 0 ? n : 0] = '\0';
    char *folder = dirname(self);
    for (size_t i = 0; i < sizeof relative / sizeof relative[0]; i++) {
        char *path = xasprintf("%s/%s/%s", folder, relative[i], name);
        if (access(path, F_OK) == 0)
            return path;
        free(path);
    }
    return path_join("share", name);
}
