/* Where the videos and images come from: operands, lists, folders, archives, a Karpathy file; shards, passes and shuffling. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/progress.h"
#include "base/random.h"
#include "base/signals.h"
#include "extract/extract.h"

/* A folder being walked: its entries in byte order. */
typedef struct Folder {
    char **paths;
    size_t count, next;
    dev_t device;
    ino_t inode;
} Folder;

struct Sources {
    const Settings *s;
    char **operands;
    int n_operands, next_operand;
    Folder *folders; /* owned: a stack */
    size_t depth, folders_capacity;
    Tar *archive;
    Coco *coco;
    int list_fd;
    Buffer lines; /* of the list, read but not used */
    size_t line_at;
    bool list_ended, started;
    HashMap names;
    int64_t ordinal, pass, in_pass;
    Source *all; /* owned: with --shuffle, every source */
    size_t n_all, all_capacity, next_all;
};

void source_release(Source *s)
{
    free(s->name);
    free(s->label);
    free(s->path);
    free(s->data);
    free(s->shard);
    free(s->problem);
    for (size_t i = 0; i < s->n_references; i++)
        free(s->references[i]);
    free(s->references);
    *s = (Source){0};
}

Sources *sources_new(const Settings *s, char **operands, int n)
{
    Sources *o = xcalloc(1, sizeof *o);
    *o = (Sources){.s = s, .operands = operands, .n_operands = n, .list_fd = -1, .pass = 1};
    if (s->list) {
        o->list_fd = strcmp(s->list, "-") == 0 ? STDIN_FILENO : open(s->list, O_RDONLY | O_CLOEXEC);
        if (o->list_fd < 0)
            die("open %s:", s->list);
    }
    return o;
}

static void folder_pop(Sources *s)
{
    Folder *f = &s->folders[--s->depth];
    for (size_t i = 0; i < f->count; i++)
        free(f->paths[i]);
    free(f->paths);
}

void sources_free(Sources *s)
{
    while (s->depth > 0)
        folder_pop(s);
    free(s->folders);
    tar_free(s->archive);
    coco_free(s->coco);
    buffer_release(&s->lines);
    hashmap_release(&s->names);
    for (size_t i = 0; i < s->n_all; i++)
        source_release(&s->all[i]);
    free(s->all);
    free(s);
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

/* Pushes a folder; subfolders sort as if their names ended in '/', so that the order is that of whole paths. */
static bool folder_push(Sources *s, const char *path, const struct stat *st, Source *out)
{
    for (size_t i = 0; i < s->depth; i++)
        if (s->folders[i].device == st->st_dev && s->folders[i].inode == st->st_ino)
            return simple(out, path, xstrdup("a link back to a folder above it"));
    DIR *d = opendir(path);
    if (!d)
        return simple(out, path, xasprintf("open folder: %s", strerror(errno)));
    s->folders = array_reserve(s->folders, &s->folders_capacity, s->depth + 1, sizeof *s->folders);
    Folder f = {.device = st->st_dev, .inode = st->st_ino};
    size_t capacity = 0;
    struct dirent *e;
    while ((e = readdir(d))) {
        if (e->d_name[0] == '.')
            continue;
        char *full = path_join(path, e->d_name);
        struct stat inner;
        if (stat(full, &inner) == 0 && S_ISDIR(inner.st_mode)) {
            free(full);
            full = xasprintf("%s%s%s/", path, path[strlen(path) - 1] == '/' ? "" : "/", e->d_name);
        }
        f.paths = array_reserve(f.paths, &capacity, f.count + 1, sizeof *f.paths);
        f.paths[f.count++] = full;
    }
    closedir(d);
    if (f.count > 0)
        qsort(f.paths, f.count, sizeof *f.paths, by_bytes);
    s->folders[s->depth++] = f;
    return false;
}

/* The next line of the list (without its newline), in s->lines; NULL at the end. A blocking read ends when asked to. */
static const char *next_line(Sources *s)
{
    while (!interrupted()) {
        char *line = (char *)s->lines.data + s->line_at;
        size_t left = s->lines.size - s->line_at;
        char *end = left > 0 ? memchr(line, '\n', left) : NULL;
        if (end || (s->list_ended && left > 0)) {
            if (!end) {
                buffer_add(&s->lines, "\n", 1);
                continue;
            }
            *end = '\0';
            s->line_at += (size_t)(end - line) + 1;
            if (*line)
                return line;
            continue;
        }
        if (s->list_ended)
            return NULL;
        if (left > 0)
            memmove(s->lines.data, line, left);
        s->lines.size = left;
        s->line_at = 0;
        struct pollfd p = {s->list_fd, POLLIN, 0};
        if (poll(&p, 1, 200) <= 0)
            continue;
        char block[4096];
        ssize_t n = read(s->list_fd, block, sizeof block);
        if (n < 0 && errno != EINTR)
            die("read %s:", s->s->list);
        s->list_ended = n == 0;
        if (n > 0)
            buffer_add(&s->lines, block, (size_t)n);
    }
    return NULL;
}

/* A path becomes a source, or opens what holds sources (then false). */
static bool take_path(Sources *s, const char *path, Source *out)
{
    struct stat st;
    size_t n = strlen(path);
    if (n > 1 && path[n - 1] == '/' && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return folder_push(s, path, &st, out);
    if (stat(path, &st) != 0)
        return simple(out, path, xasprintf("open: %s", strerror(errno)));
    if (S_ISDIR(st.st_mode))
        return folder_push(s, path, &st, out);
    if (is_archive(path)) {
        s->archive =
            tar_new(path, s->s->deadline > 0 ? seconds_now() + s->s->deadline : 0, s->s->shuffle != NULL || s->s->dry_run);
        return false;
    }
    return simple(out, path, NULL);
}

static bool take_operand(Sources *s, const char *operand, Source *out)
{
    if (strcmp(operand, "-") != 0)
        return take_path(s, operand, out);
    simple(out, s->s->name, NULL);
    out->is_stdin = true;
    return true;
}

/* The next source in natural order, of one pass. */
static bool raw_next(Sources *s, Source *out)
{
    while (!interrupted()) {
        *out = (Source){0};
        if (s->archive) {
            if (tar_next(s->archive, out))
                return true;
            tar_free(s->archive);
            s->archive = NULL;
        } else if (s->depth > 0) {
            Folder *f = &s->folders[s->depth - 1];
            if (f->next == f->count)
                folder_pop(s);
            else if (take_path(s, f->paths[f->next++], out))
                return true;
        } else if (s->coco) {
            if (coco_next(s->coco, out))
                return true;
            coco_free(s->coco);
            s->coco = NULL;
        } else if (s->s->coco && !s->started) {
            s->started = true;
            s->coco = coco_new(s->s);
        } else if (s->next_operand < s->n_operands) {
            if (take_operand(s, s->operands[s->next_operand++], out))
                return true;
        } else {
            const char *line = s->list_fd >= 0 ? next_line(s) : NULL;
            if (!line)
                return false;
            if (take_path(s, line, out))
                return true;
        }
    }
    return false;
}

/* Whether what follows a # could be a frame's time, as work.c writes it: then a still of that name had the frame's id. */
static bool is_frame_suffix(const char *text)
{
    static const char digits[] = "0123456789";
    text += *text == '-';
    size_t whole = strspn(text, digits);
    if (whole == 0 || text[whole] != '.' || strspn(text + whole + 1, digits) != 3)
        return false;
    text += whole + 4;
    return *text == '\0' || (*text == '+' && text[1] && text[1 + strspn(text + 1, digits)] == '\0');
}

/* Records are UTF-8: in a name that is not, each byte that does not belong becomes %XX; so does the # before what looks like a
 * time. */
static char *clean_name(char *name)
{
    size_t n = strlen(name), at = 0, m = 0;
    char *out = xmalloc(3 * n + 1);
    while (at < n) {
        json_t *one = NULL;
        size_t length = 1;
        for (; length <= 4 && at + length <= n && !(one = json_stringn(name + at, length)); length++)
            ;
        json_decref(one);
        if (one && (name[at] != '#' || !is_frame_suffix(name + at + 1))) {
            memcpy(out + m, name + at, length);
            m += length;
            at += length;
        } else {
            m += (size_t)sprintf(out + m, "%%%02X", (unsigned char)name[at++]);
        }
    }
    out[m] = '\0';
    free(name);
    return out;
}

/* A name seen before in this pass gets a number, so that ids stay unique. Each name's last number is kept: those below are taken.
 */
static void name_uniquely(Sources *s, Source *out)
{
    const uint64_t hash = hash_id(out->name, strlen(out->name));
    if (hashmap_add(&s->names, hash))
        return;
    bool same = strcmp(out->name, out->label) == 0;
    char *first = out->name, *name = NULL;
    int64_t n = hashmap_get(&s->names, hash);
    do {
        free(name);
        name = xasprintf("%s(%lld)", first, (long long)++n);
    } while (!hashmap_add(&s->names, hash_id(name, strlen(name))));
    *hashmap_at(&s->names, hash) = n;
    out->name = name;
    if (same) {
        free(out->label);
        out->label = xstrdup(name);
    }
    free(first);
}

static bool shard_next(Sources *s, Source *out)
{
    while (raw_next(s, out)) {
        out->name = clean_name(out->name);
        out->label = clean_name(out->label);
        name_uniquely(s, out);
        if (s->ordinal++ % s->s->shards == s->s->shard_index)
            return true;
        source_release(out);
    }
    return false;
}

static void begin_pass(Sources *s)
{
    s->pass++;
    s->next_operand = 0;
    s->next_all = 0;
    s->started = false;
    s->ordinal = s->in_pass = 0;
    hashmap_release(&s->names);
}

/* Fisher and Yates, by (seed, pass): a pass's order depends on nothing else. */
static void shuffle(Sources *s)
{
    for (size_t i = s->n_all; i > 1; i--) {
        size_t j = random_below((uint64_t)s->s->shuffle_seed, (uint32_t)s->pass, 0, (uint32_t)i, i);
        Source kept = s->all[j];
        s->all[j] = s->all[i - 1];
        s->all[i - 1] = kept;
    }
}

static Source source_copy(const Source *s)
{
    Source c = *s;
    c.name = xstrdup(s->name);
    c.label = xstrdup(s->label);
    c.path = s->path ? xstrdup(s->path) : NULL;
    c.problem = s->problem ? xstrdup(s->problem) : NULL;
    c.references = xcalloc(s->n_references + 1, sizeof *c.references);
    for (size_t i = 0; i < s->n_references; i++)
        c.references[i] = xstrdup(s->references[i]);
    c.shard = s->shard ? xstrdup(s->shard) : NULL;
    return c;
}

/* Of a shard's members only the places are kept: memory grows with names, never with bytes. */
static bool shuffled_next(Sources *s, Source *out)
{
    Source one;
    if (s->n_all == 0)
        while (shard_next(s, &one)) {
            s->all = array_reserve(s->all, &s->all_capacity, s->n_all + 1, sizeof *s->all);
            s->all[s->n_all++] = one;
        }
    if (s->next_all == 0)
        shuffle(s);
    if (s->next_all == s->n_all)
        return false;
    *out = source_copy(&s->all[s->next_all++]);
    if (out->shard)
        tar_load(out);
    return true;
}

bool sources_next(Sources *s, Source *out)
{
    for (;;) {
        bool got = s->s->shuffle ? shuffled_next(s, out) : shard_next(s, out);
        if (got) {
            out->pass = s->pass;
            s->in_pass++;
            return true;
        }
        if (!s->s->loop || s->in_pass == 0 || interrupted())
            return false;
        begin_pass(s);
    }
}
