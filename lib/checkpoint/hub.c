/* Models by name in the local cache of Hugging Face's Hub; see hub.h. */
#include "checkpoint/hub.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { COMMIT = 40 }; /* hexadecimal digits of one */

/* ---- names ---- */

/* One part of a repository's name or of a revision: n > 0 letters, digits, '-', '_', '.', of which it does not begin with '.'. */
static bool is_part(const char *s, size_t n)
{
    if (n == 0 || s[0] == '.' || s[0] == '-')
        return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("-_.", s[i]))
            return false;
    return true;
}

/* ORG/NAME, n bytes. */
static bool is_repository(const char *s, size_t n)
{
    const char *slash = memchr(s, '/', n);
    return slash && n <= 200 && is_part(s, (size_t)(slash - s)) && is_part(slash + 1, n - 1 - (size_t)(slash - s));
}

/* A branch, a tag or a commit; refs/pr/1 too. */
static bool is_revision(const char *s)
{
    for (size_t n = strcspn(s, "/");; s += n + 1, n = strcspn(s, "/")) {
        if (!is_part(s, n))
            return false;
        if (!s[n])
            return true;
    }
}

static bool is_commit(const char *s)
{
    return strlen(s) == COMMIT && strspn(s, "0123456789abcdef") == COMMIT;
}

/* ---- the cache ---- */

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

/* The folder of a variable's value, "~" being home, and a name below it. A new string; NULL where the variable is not set. */
static char *below(const char *name, const char *rest)
{
    const char *value = variable(name), *home = variable("HOME");
    if (!value)
        return NULL;
    if (home && value[0] == '~' && (value[1] == '/' || !value[1]))
        return xasprintf("%s%s%s", home, value + 1, rest);
    return xasprintf("%s%s", value, rest);
}

static char *cache_folder(void)
{
    char *cache = below("HF_HUB_CACHE", "");
    if (!cache)
        cache = below("HUGGINGFACE_HUB_CACHE", "");
    if (!cache)
        cache = below("HF_HOME", "/hub");
    if (!cache)
        cache = below("XDG_CACHE_HOME", "/huggingface/hub");
    return cache ? cache : xasprintf("%s/.cache/huggingface/hub", variable("HOME") ? variable("HOME") : "");
}

/* A repository in the cache, and what was asked for. */
typedef struct Repository {
    char *name;           /* "ORG/NAME", owned */
    const char *revision; /* as given, "main" where none was; borrowed */
    bool revision_given;
    char *folder; /* owned */
} Repository;

/* Nothing is there: what to type. */
static bool say_absent(const Repository *r, const char *what, Error *err)
{
    return error_set(err, "%s: %s; nothing is fetched from here, type: hf download %s%s%s", r->name, what, r->name,
                     r->revision_given ? " --revision " : "", r->revision_given ? r->revision : "");
}

/* The commit of a branch or tag by refs/REVISION; *commit NULL where there is no such file. */
static bool read_ref(const Repository *r, char **commit, Error *err)
{
    char *path = xasprintf("%s/refs/%s", r->folder, r->revision);
    size_t size;
    bool there, ok = path_exists(path, &there, err);
    *commit = NULL;
    if (ok && there) {
        *commit = file_read_regular(path, 4096, &size, err);
        ok = *commit != NULL;
    }
    if (ok && *commit) {
        size_t n = strcspn(*commit, " \t\r\n");
        (*commit)[n] = '\0';
        if (!is_commit(*commit)) {
            ok = error_set_status(err, STATUS_CORRUPT, "%s: found \"%.80s\", expected a commit of %d hexadecimal digits", path,
                                  *commit, COMMIT);
            free(*commit);
            *commit = NULL;
        }
    }
    free(path);
    return ok;
}

/* The commit that is meant; *commit NULL where the cache does not know. */
static bool find_commit(const Repository *r, char **commit, Error *err)
{
    if (!read_ref(r, commit, err))
        return false;
    if (!*commit && is_commit(r->revision))
        *commit = xstrdup(r->revision);
    return true;
}

/* Whether a real path lies in one of the repository's: in its folder, or where its blobs are kept. */
static bool lies_within(const char *path, const char *folder)
{
    size_t n = folder ? strlen(folder) : 0;
    return n > 0 && strncmp(path, folder, n) == 0 && (path[n] == '/' || !path[n]);
}

/* What stands at path must be there, and of this repository. */
static bool check_link(const char *path, const char *real_folder, const char *real_blobs, Error *err)
{
    char *real = realpath(path, NULL);
    bool ok = real != NULL;
    if (!ok && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP))
        error_set_status(err, STATUS_CORRUPT, "%s: a link to nothing; was its download cut short?", path);
    else if (!ok)
        error_set(err, "%s:", path);
    else if (!lies_within(real, real_folder) && !lies_within(real, real_blobs))
        ok = error_set_status(err, STATUS_CORRUPT, "%s: a link to %s, which is not of this repository", path, real);
    free(real);
    return ok;
}

/* Every file of a snapshot, before any is read. */
static bool check_snapshot(const Repository *r, const char *snapshot, Error *err)
{
    FolderNames names = {0};
    char *blobs = path_join(r->folder, "blobs"), *real_folder = realpath(r->folder, NULL), *real_blobs = realpath(blobs, NULL);
    bool ok = check_link(snapshot, real_folder, real_blobs, err) && folder_names(&names, snapshot, err);
    for (size_t i = 0; ok && i < names.count; i++) {
        char *path = path_join(snapshot, names.items[i]);
        ok = check_link(path, real_folder, real_blobs, err);
        free(path);
    }
    folder_names_release(&names);
    free(blobs);
    free(real_folder);
    free(real_blobs);
    return ok;
}

/* The snapshot's folder, a new string; NULL with err set. */
static char *find_snapshot(const Repository *r, Error *err)
{
    char *commit = NULL, *snapshot = NULL;
    bool there, ok = path_exists(r->folder, &there, err);
    if (ok && !there) {
        char *what = xasprintf("no such folder here, and no such repository in the cache (%s)", r->folder);
        ok = say_absent(r, what, err);
        free(what);
    }
    ok = ok && find_commit(r, &commit, err);
    if (ok) {
        snapshot = commit ? xasprintf("%s/snapshots/%s", r->folder, commit) : NULL;
        ok = !snapshot || path_exists(snapshot, &there, err);
    }
    if (ok && (!snapshot || !there)) {
        char *what = xasprintf("the cache (%s) has no snapshot of its revision %s", r->folder, r->revision);
        ok = say_absent(r, what, err);
        free(what);
    }
    ok = ok && check_snapshot(r, snapshot, err);
    free(commit);
    if (!ok)
        free(snapshot);
    return ok ? snapshot : NULL;
}

char *hub_folder(const char *name, Error *err)
{
    bool there;
    const char *at = strchr(name, '@');
    const size_t n = at ? (size_t)(at - name) : strlen(name);
    if (!path_exists(name, &there, err))
        return NULL;
    if (there || !is_repository(name, n) || (at && !is_revision(at + 1)))
        return xstrdup(name);
    Repository r = {.name = xstrndup(name, n), .revision = at ? at + 1 : "main", .revision_given = at != NULL};
    const char *base = strchr(r.name, '/') + 1;
    char *cache = cache_folder();
    r.folder = xasprintf("%s/models--%.*s--%s", cache, (int)(base - r.name - 1), r.name, base);
    char *snapshot = find_snapshot(&r, err);
    free(cache);
    free(r.folder);
    free(r.name);
    return snapshot;
}

void hub_take(const char **option)
{
    Error err = {0};
    if (!*option)
        return;
    char *folder = hub_folder(*option, &err);
    if (!folder)
        die_status(err.status ? err.status : STATUS_FAILURE, "%s", err.text);
    if (strcmp(folder, *option) != 0)
        note("%s is %s", *option, folder);
    free((char *)*option);
    *option = folder;
}
