/* Inputs of fuzzers as files; see given.h. */
#include "tests/fuzz/given.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int given_file(const uint8_t *data, size_t size)
{
    int fd = memfd_create("given", MFD_CLOEXEC);
    if (fd < 0 || (size > 0 && write(fd, data, size) != (ssize_t)size) || lseek(fd, 0, SEEK_SET) != 0)
        abort();
    return fd;
}

const char *given_path(char path[static 64], int fd)
{
    snprintf(path, 64, "/proc/self/fd/%d", fd);
    return path;
}

static const char mark[] = "==== ";

/* The next line that begins a part, from `at` on; NULL if there is none. */
static const uint8_t *next_mark(const uint8_t *data, const uint8_t *at, const uint8_t *end)
{
    for (; (at = memmem(at, (size_t)(end - at), mark, sizeof mark - 1)); at++)
        if (at == data || at[-1] == '\n')
            return at;
    return NULL;
}

bool given_part(const uint8_t *data, size_t size, const char *name, const uint8_t **part, size_t *part_size)
{
    const uint8_t *end = data + size, *at = size ? next_mark(data, data, end) : NULL;
    while (at) {
        const uint8_t *title = at + sizeof mark - 1, *line = memchr(title, '\n', (size_t)(end - title));
        if (!line)
            return false;
        at = next_mark(data, line + 1, end);
        if ((size_t)(line - title) == strlen(name) && memcmp(title, name, strlen(name)) == 0) {
            *part = line + 1;
            *part_size = (size_t)((at ? at : end) - (line + 1));
            return true;
        }
    }
    return false;
}

static const GivenFolder *made;

static void link_path(char path[static 128], const GivenFolder *f, int i)
{
    snprintf(path, 128, "%s/%s", f->path, f->names[i]);
}

static void folder_remove(void)
{
    char path[128];
    for (int i = 0; i < GIVEN_FILES && made->names[i]; i++) {
        link_path(path, made, i);
        unlink(path);
    }
    rmdir(made->path);
}

static void folder_make_once(GivenFolder *f)
{
    if (made == f)
        return;
    snprintf(f->path, sizeof f->path, "/tmp/vlrm-fuzz-XXXXXX");
    if (made || !mkdtemp(f->path))
        abort();
    made = f;
    atexit(folder_remove);
    for (int i = 0; i < GIVEN_FILES && f->names[i]; i++)
        f->files[i] = given_file(NULL, 0);
}

/* The file's name is a link to memory; where the part is missing there is no link. */
static void show(GivenFolder *f, int i, bool there)
{
    char path[128], target[64];
    if (there == f->there[i])
        return;
    link_path(path, f, i);
    if (there ? symlink(given_path(target, f->files[i]), path) : unlink(path))
        abort();
    f->there[i] = there;
}

const char *given_folder(GivenFolder *f, const uint8_t *data, size_t size)
{
    folder_make_once(f);
    for (int i = 0; i < GIVEN_FILES && f->names[i]; i++) {
        const uint8_t *part;
        size_t n;
        bool there = given_part(data, size, f->names[i], &part, &n);
        if (there && (ftruncate(f->files[i], 0) || pwrite(f->files[i], part, n, 0) != (ssize_t)n))
            abort();
        show(f, i, there);
    }
    return f->path;
}
