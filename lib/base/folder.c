/* What is there and what is not; see folder.h. */
#include "base/folder.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/memory.h"

bool path_exists(const char *path, bool *there, Error *err)
{
    struct stat st;
    *there = stat(path, &st) == 0;
    return *there || errno == ENOENT || errno == ENOTDIR || error_set(err, "look for %s:", path);
}

static int by_bytes(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static bool names_read(FolderNames *names, DIR *d)
{
    struct dirent *e;
    errno = 0;
    for (; (e = readdir(d)); errno = 0) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        names->items = array_reserve(names->items, &names->capacity, names->count + 1, sizeof *names->items);
        names->items[names->count++] = xstrdup(e->d_name);
    }
    return errno == 0;
}

bool folder_names(FolderNames *names, const char *folder, Error *err)
{
    *names = (FolderNames){0};
    DIR *d = opendir(folder);
    if (!d)
        return error_set(err, "open folder %s:", folder);
    bool ok = names_read(names, d) || error_set(err, "read folder %s:", folder);
    closedir(d);
    if (!ok)
        folder_names_release(names);
    if (names->count > 0)
        qsort(names->items, names->count, sizeof *names->items, by_bytes);
    return ok;
}

void folder_names_release(FolderNames *names)
{
    for (size_t i = 0; i < names->count; i++)
        free(names->items[i]);
    free(names->items);
    *names = (FolderNames){0};
}
