/* Operands, lists and folders; see walk.h. */
#include "extract/walk.h"

#include "media/image.h"
#include "extract/coco.h"
#include "extract/tar.h"
#include "extract/texts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A folder being walked: its entries in byte order. */
typedef struct Folder {
    char **paths;
    size_t count, next;
    dev_t device;
    ino_t inode;
} Folder;

struct Walk {
    const SourceSettings *s;
    char **operands;
    int n_operands, next_operand;
    Folder *folders; /* owned: a stack */
    size_t depth, folders_capacity;
    Coco *coco;
    int list_fd;
    Buffer lines; /* of the list, read but not used */
    size_t line_at;
    bool list_ended, started;
};

Walk *walk_new(const SourceSettings *s, char **operands, int n)
{
    Walk *w = xcalloc(1, sizeof *w);
    *w = (Walk){.s = s, .operands = operands, .n_operands = n, .list_fd = -1};
    if (s->list) {
        w->list_fd = strcmp(s->list, "-") == 0 ? STDIN_FILENO : open(s->list, O_RDONLY | O_CLOEXEC);
        if (w->list_fd < 0)
            die("open %s:", s->list);
    }
    return w;
}

static void folder_pop(Walk *w)
{
    Folder *f = &w->folders[--w->depth];
    for (size_t i = 0; i < f->count; i++)
        free(f->paths[i]);
    free(f->paths);
}

void walk_free(Walk *w)
{
    while (w->depth > 0)
        folder_pop(w);
    free(w->folders);
    coco_free(w->coco);
    buffer_release(&w->lines);
    if (w->list_fd > STDIN_FILENO)
        close(w->list_fd);
    free(w);
}

void walk_again(Walk *w)
{
    w->next_operand = 0;
    w->started = false;
}

static bool simple(Source *out, const char *path, char *problem)
{
    *out = (Source){.name = xstrdup(path), .label = xstrdup(path), .problem = problem};
    if (!problem)
        out->path = xstrdup(path);
    return true;
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The path of an entry; of a subfolder with '/' at its end, so that the order is that of whole paths. */
static char *entry_path(const char *folder, const char *name)
{
    struct stat st;
    char *full = path_join(folder, name);
    if (stat(full, &st) != 0 || !S_ISDIR(st.st_mode))
        return full;
    char *closed = xasprintf("%s/", full);
    free(full);
    return closed;
}

/* The entries whose names do not begin with a dot; 0, or the errno of what could not be read. */
static int read_entries(Folder *f, DIR *d, const char *path)
{
    size_t capacity = 0;
    struct dirent *e;
    while (errno = 0, (e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        f->paths = array_reserve(f->paths, &capacity, f->count + 1, sizeof *f->paths);
        f->paths[f->count++] = entry_path(path, e->d_name);
    }
    int failed = errno;
    if (f->count > 0)
        qsort(f->paths, f->count, sizeof *f->paths, by_bytes);
    return failed;
}

/* Pushes a folder. True: *out says what of it could not be read; what could be is pushed all the same. */
static bool folder_push(Walk *w, const char *path, const struct stat *st, Source *out)
{
    for (size_t i = 0; i < w->depth; i++)
        if (w->folders[i].device == st->st_dev && w->folders[i].inode == st->st_ino)
            return simple(out, path, xstrdup("a link back to a folder above it"));
    DIR *d = opendir(path);
    if (!d)
        return simple(out, path, xasprintf("open folder: %s", strerror(errno)));
    w->folders = array_reserve(w->folders, &w->folders_capacity, w->depth + 1, sizeof *w->folders);
    Folder f = {.device = st->st_dev, .inode = st->st_ino};
    int failed = read_entries(&f, d, path);
    closedir(d);
    size_t n = f.count;
    w->folders[w->depth++] = f;
    return failed && simple(out, path, xasprintf("read folder: %s, after %zu entries", strerror(failed), n));
}

/* Waits for bytes of the list; false when nobody waits for its lines any more. */
static bool list_ready(const Walk *w, int hangup)
{
    struct pollfd p[2] = {{w->list_fd, POLLIN, 0}, {hangup, 0, 0}};
    while (poll(p, 2, -1) < 0 && errno == EINTR)
        ;
    return p[1].revents == 0;
}

/* The next line of the list (without its newline), in w->lines; NULL at the end. */
static const char *next_line(Walk *w, int hangup)
{
    for (;;) {
        char *line = (char *)w->lines.data + w->line_at;
        size_t left = w->lines.size - w->line_at;
        char *end = left > 0 ? memchr(line, '\n', left) : NULL;
        if (end || (w->list_ended && left > 0)) {
            if (!end) {
                buffer_add(&w->lines, "\n", 1);
                continue;
            }
            *end = '\0';
            w->line_at += (size_t)(end - line) + 1;
            if (*line)
                return line;
            continue;
        }
        if (w->list_ended)
            return NULL;
        if (left > 0)
            memmove(w->lines.data, line, left);
        w->lines.size = left;
        w->line_at = 0;
        if (!list_ready(w, hangup))
            return NULL;
        char block[4096];
        ssize_t n = read(w->list_fd, block, sizeof block);
        if (n < 0 && errno != EINTR)
            die("read %s:", w->s->list);
        w->list_ended = n == 0;
        if (n > 0)
            buffer_add(&w->lines, block, (size_t)n);
    }
}

static const char *kind_name(mode_t mode)
{
    return S_ISFIFO(mode)   ? "a FIFO"
           : S_ISSOCK(mode) ? "a socket"
           : S_ISCHR(mode)  ? "a character device"
           : S_ISBLK(mode)  ? "a block device"
                            : "of an unknown kind";
}

/* Whether a path of the folder being walked is a text beside a picture or video there. Names of one stem stand together. */
static bool is_text_of_neighbour(const Walk *w, const char *path)
{
    const Folder *f = &w->folders[w->depth - 1];
    size_t at = f->next - 1, stem = (size_t)(strrchr(path, '.') - path);
    while (at > 0 && strncmp(f->paths[at - 1], path, stem + 1) == 0)
        at--;
    for (; at < f->count && strncmp(f->paths[at], path, stem + 1) == 0; at++)
        if (text_beside(f->paths[at], path) && media_named(f->paths[at]))
            return true;
    return false;
}

/* A path becomes a source, or opens what holds sources, or is skipped (then false). */
static bool take_path(Walk *w, const char *path, bool scanned, Source *out)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return simple(out, path, xasprintf("open: %s", strerror(errno)));
    if (S_ISDIR(st.st_mode))
        return folder_push(w, path, &st, out);
    if (scanned && !S_ISREG(st.st_mode)) {
        warn("%s: skipped: it is %s; only the files of a folder are read", path, kind_name(st.st_mode));
        return false;
    }
    if (scanned && w->s->texts && text_named(path) && is_text_of_neighbour(w, path))
        return false;
    simple(out, path, NULL);
    out->regular_only = scanned;
    out->is_archive = is_archive(path);
    out->texts = w->s->texts && !out->is_archive && S_ISREG(st.st_mode);
    out->doubtful = scanned && !out->is_archive && !media_named(path);
    return true;
}

static bool take_operand(Walk *w, const char *operand, Source *out)
{
    if (strcmp(operand, "-") != 0)
        return take_path(w, operand, false, out);
    *out = (Source){.name = xstrdup(w->s->name), .label = xstrdup(w->s->name), .is_stdin = true};
    return true;
}

bool walk_next(Walk *w, int hangup, Source *out)
{
    for (;;) {
        *out = (Source){0};
        if (w->depth > 0) {
            Folder *f = &w->folders[w->depth - 1];
            if (f->next == f->count)
                folder_pop(w);
            else if (take_path(w, f->paths[f->next++], true, out))
                return true;
        } else if (w->coco) {
            if (coco_next(w->coco, out))
                return true;
            coco_free(w->coco);
            w->coco = NULL;
        } else if (w->s->coco && !w->started) {
            w->started = true;
            w->coco = coco_new(w->s);
        } else if (w->next_operand < w->n_operands) {
            if (take_operand(w, w->operands[w->next_operand++], out))
                return true;
        } else {
            const char *line = w->list_fd >= 0 ? next_line(w, hangup) : NULL;
            if (!line)
                return false;
            if (take_path(w, line, false, out))
                return true;
        }
    }
}
