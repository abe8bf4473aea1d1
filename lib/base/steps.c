/* Folders of numbered steps; see steps.h. */
#include "base/steps.h"

#include <errno.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>

#include "base/options/options.h"

char *step_folder(const char *dir, int64_t step)
{
    return xasprintf("%s/step-%06lld", dir, (long long)step);
}

int64_t step_number(const char *name)
{
    int64_t step;
    if (strncmp(name, "step-", 5) != 0 || strlen(name) < 11 || !parse_int(name + 5, 0, INT64_MAX, &step))
        return -1;
    return step;
}

static int remove_one(const char *path, const struct stat *info, int type, struct FTW *at)
{
    (void)info;
    (void)type;
    (void)at;
    return remove(path) == 0 || errno == ENOENT ? 0 : -1; /* who else removes it is welcome */
}

bool folder_remove(const char *path, Error *err)
{
    if (nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) != 0 && errno != ENOENT)
        return error_set(err, "remove %s:", path);
    return true;
}

bool folder_replace(const char *writing, const char *folder, Error *err)
{
    if (!folder_sync(writing, err))
        return false;
    if (rename(writing, folder) != 0) {
        if (errno != ENOTEMPTY && errno != EEXIST)
            return error_set(err, "rename %s to %s:", writing, folder);
        if (!folder_remove(folder, err))
            return false;
        if (rename(writing, folder) != 0)
            return error_set(err, "rename %s to %s:", writing, folder);
    }
    char *parent = xstrdup(folder), *slash = strrchr(parent, '/');
    if (slash)
        *slash = '\0';
    bool ok = folder_sync(slash ? parent : ".", err);
    free(parent);
    return ok;
}

/* Step numbers of dir in descending order; left-overs of writers go to `stale` (may be NULL). */
typedef struct StepList {
    int64_t *steps;
    char **stale;
    size_t n, capacity, n_stale, stale_capacity;
} StepList;

static int newest_first(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

static bool steps_list(StepList *l, const char *dir, Error *err)
{
    FolderNames names;
    *l = (StepList){0};
    if (!folder_names(&names, dir, err))
        return false;
    for (size_t i = 0; i < names.count; i++) {
        int64_t step = step_number(names.items[i]);
        if (step >= 0) {
            l->steps = array_reserve(l->steps, &l->capacity, l->n + 1, sizeof *l->steps);
            l->steps[l->n++] = step;
        } else if (strstr(names.items[i], ".writing-")) {
            l->stale = array_reserve(l->stale, &l->stale_capacity, l->n_stale + 1, sizeof *l->stale);
            l->stale[l->n_stale++] = path_join(dir, names.items[i]);
        }
    }
    if (l->n > 0)
        qsort(l->steps, l->n, sizeof *l->steps, newest_first);
    folder_names_release(&names);
    return true;
}

static void steps_list_release(StepList *l)
{
    for (size_t i = 0; i < l->n_stale; i++)
        free(l->stale[i]);
    free(l->stale);
    free(l->steps);
}

bool leftovers_remove(const char *dir, const char *name, Error *err)
{
    StepList l = {0};
    size_t n = name ? strlen(name) : 0;
    bool there, ok = path_exists(dir, &there, err) && (!there || steps_list(&l, dir, err));
    for (size_t i = 0; i < l.n_stale && ok; i++) {
        const char *found = strrchr(l.stale[i], '/') + 1;
        if (!name || (strncmp(found, name, n) == 0 && strncmp(found + n, ".writing-", 9) == 0))
            ok = folder_remove(l.stale[i], err);
    }
    steps_list_release(&l);
    return ok;
}

bool steps_newest(const char *dir, int64_t *newest, Error *err)
{
    StepList l;
    if (!steps_list(&l, dir, err))
        return false;
    *newest = l.n > 0 ? l.steps[0] : -1;
    steps_list_release(&l);
    return true;
}

bool steps_count(const char *dir, int64_t but, size_t *n, Error *err)
{
    StepList l;
    *n = 0;
    if (!steps_list(&l, dir, err))
        return false;
    for (size_t i = 0; i < l.n; i++)
        *n += l.steps[i] != but;
    steps_list_release(&l);
    return true;
}

bool steps_prune(const char *dir, size_t keep, int64_t every, int64_t but, int64_t after, Error *err)
{
    StepList l;
    bool ok = steps_list(&l, dir, err);
    size_t kept = 0;
    for (size_t i = 0; i < l.n && ok; i++) {
        int64_t step = l.steps[i];
        bool beyond = after >= 0 && step > after;
        if (!beyond && (kept < keep || step == but || (every > 0 && step % every == 0))) {
            kept++;
            continue;
        }
        char *path = step_folder(dir, step);
        ok = folder_remove(path, err);
        free(path);
    }
    for (size_t i = 0; i < l.n_stale && ok; i++)
        ok = folder_remove(l.stale[i], err);
    steps_list_release(&l);
    return ok;
}
