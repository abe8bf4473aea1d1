/* Files that appear whole or not at all; see file.h. */
#include "base/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/hash.h"
#include "base/memory.h"

char *path_join(const char *folder, const char *name)
{
    size_t n = strlen(folder);
    return xasprintf("%s%s%s", folder, n > 0 && folder[n - 1] == '/' ? "" : "/", name);
}

/* ---- temporary names ---- */

char *writing_name(const char *path)
{
    uint64_t random = 0;
    if (getrandom(&random, sizeof random, GRND_NONBLOCK) !=
        sizeof random) {     /* too early in the machine's life: then as good as */
        struct timespec now; /* makes names differ; none is taken that exists */
        clock_gettime(CLOCK_MONOTONIC, &now);
        random = (uint64_t)now.tv_nsec;
    }
    return xasprintf("%s.writing-%ld-%08x", path, (long)getpid(), (unsigned)(random & 0xffffffff));
}

enum { TRIES = 100 }; /* names that turn out to be taken */

char *writing_folder(const char *path, Error *err)
{
    for (int i = 0; i < TRIES; i++) {
        char *name = writing_name(path);
        if (mkdir(name, 0777) == 0)
            return name;
        if (errno != EEXIST || i + 1 == TRIES)
            error_set(err, "create folder %s:", name);
        free(name);
        if (err->text[0])
            break;
    }
    return NULL;
}

/* A file without a name in path's folder; -1 where that cannot be, or could not be given a name later. */
static int open_nameless(const char *path)
{
#ifdef O_TMPFILE
    char *copy = xstrdup(path);
    int fd = access("/proc/self/fd", X_OK) == 0 ? open(dirname(copy), O_TMPFILE | O_WRONLY | O_CLOEXEC, 0666) : -1;
    free(copy);
    return fd;
#else
    (void)path;
    return -1;
#endif
}

/* Whether the name ends as writing_name makes it. */
static bool is_writing_name(const char *name)
{
    const char *end = strstr(name, ".writing-");
    size_t digits = end ? strspn(end += 9, "0123456789") : 0;
    return digits > 0 && end[digits] == '-' && strlen(end += digits + 1) == 8 && strspn(end, "0123456789abcdef") == 8;
}

/*
 * Removes from path's folder what killed writers have left under temporary names: files whose lock, which a writer holds as long
 * as it is at work, is free. A folder is looked through once, not for each of many files that are replaced in it.
 */
static void leftovers_sweep(const char *path)
{
    static _Thread_local uint64_t last;
    char *copy = xstrdup(path);
    const char *name = dirname(copy);
    uint64_t this = hash_id(name, strlen(name));
    DIR *folder = this == last ? NULL : opendir(name);
    last = this;
    for (const struct dirent *e; folder && (e = readdir(folder));) {
        struct stat s;
        int fd =
            is_writing_name(e->d_name) ? openat(dirfd(folder), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC) : -1;
        if (fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode) && flock(fd, LOCK_EX | LOCK_NB) == 0)
            unlinkat(dirfd(folder), e->d_name, 0);
        if (fd >= 0)
            close(fd);
    }
    if (folder)
        closedir(folder);
    free(copy);
}

/* A new file of a temporary name, which goes to f->writing; locked, and not swept before it was. */
static int open_named(AtomicFile *f)
{
    int fd = -1;
    leftovers_sweep(f->path);
    for (int i = 0; fd < 0 && i < TRIES && (i == 0 || errno == EEXIST); i++) {
        struct stat s;
        free(f->writing);
        f->writing = writing_name(f->path);
        fd = open(f->writing, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
        if (fd >= 0 && flock(fd, LOCK_EX) == 0 && fstat(fd, &s) == 0 && s.st_nlink == 0) {
            close(fd);
            fd = -1;
            errno = EEXIST;
        }
    }
    return fd;
}

/* Gives the nameless file its name: at once where nothing stands there, else by way of a temporary name, under its lock. */
static bool link_in(AtomicFile *f)
{
    char self[64];
    snprintf(self, sizeof self, "/proc/self/fd/%d", fileno(f->stream));
    if (linkat(AT_FDCWD, self, AT_FDCWD, f->path, AT_SYMLINK_FOLLOW) == 0)
        return true;
    bool linked = false;
    int why = errno;
    if (why == EEXIST) {
        leftovers_sweep(f->path);
        flock(fileno(f->stream), LOCK_EX); /* where there are no locks, nobody sweeps */
    }
    errno = why;
    for (int i = 0; !linked && i < TRIES && errno == EEXIST; i++) {
        free(f->writing);
        f->writing = writing_name(f->path);
        linked = linkat(AT_FDCWD, self, AT_FDCWD, f->writing, AT_SYMLINK_FOLLOW) == 0;
    }
    return linked && rename(f->writing, f->path) == 0;
}

/* ---- files ---- */

bool atomic_open(AtomicFile *f, const char *path, Error *err)
{
    struct stat s;
    *f = (AtomicFile){0};
    if (stat(path, &s) == 0 && !S_ISREG(s.st_mode))
        return error_set(err, "create %s: what is there is not a regular file", path);
    f->path = xstrdup(path);
    int fd = open_nameless(path);
    if (fd < 0)
        fd = open_named(f);
    f->stream = fd >= 0 ? fdopen(fd, "wb") : NULL;
    if (f->stream)
        return true;
    error_set(err, "create %s:", path);
    if (fd >= 0 && f->writing)
        unlink(f->writing);
    if (fd >= 0)
        close(fd);
    atomic_abort(f);
    return false;
}

void atomic_abort(AtomicFile *f)
{
    if (f->stream)
        fclose(f->stream);
    if (f->stream && f->writing)
        unlink(f->writing);
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

/* Closes the file and gives it its name; false with errno set. A nameless file is named while it is open, another one once
 * closing has not failed. */
static bool name_and_close(AtomicFile *f)
{
    bool nameless = !f->writing, ok = !nameless || link_in(f);
    int why = errno, lock = dup(fileno(f->stream)); /* held until the name is the final one */
    if (fclose(f->stream) != 0 && ok && !nameless) {
        ok = false;
        why = errno;
    }
    f->stream = NULL;
    if (ok && !nameless) {
        ok = rename(f->writing, f->path) == 0;
        why = errno;
    }
    if (!ok && f->writing)
        unlink(f->writing);
    if (lock >= 0)
        close(lock);
    errno = why;
    return ok;
}

static bool place(AtomicFile *f, bool durable, Error *err)
{
    bool ok = fflush(f->stream) == 0 && !ferror(f->stream) && (!durable || fsync(fileno(f->stream)) == 0);
    ok = ok && name_and_close(f);
    if (!ok)
        error_set(err, "write %s:", f->path);
    char *copy = xstrdup(f->path);
    if (ok && durable)
        ok = folder_sync(dirname(copy), err);
    free(copy);
    atomic_abort(f);
    return ok;
}

bool atomic_commit(AtomicFile *f, Error *err)
{
    return place(f, true, err);
}

bool atomic_place(AtomicFile *f, Error *err)
{
    return place(f, false, err);
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
    struct stat s;
    if (ok && stat(path, &s) == 0 && !S_ISDIR(s.st_mode))
        ok = error_set(err, "create folder %s: what is there is not a folder", path);
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
