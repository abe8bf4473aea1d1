/*
 * What is there and what is not: a name or a folder that cannot be read is an error, never an absence.
 */
#ifndef BASE_FOLDER_H
#define BASE_FOLDER_H

#include <stdbool.h>
#include <stddef.h>

#include "base/msg.h"

/* Whether there is something at path (a link to nothing is nothing). False with err set where that cannot be told. */
MUST_USE bool path_exists(const char *path, bool *there, Error *err);

/* The names in a folder. */
typedef struct FolderNames {
    char **items; /* owned, each and all; in order of bytes */
    size_t count, capacity;
} FolderNames;

/* Reads every name but . and .. of a folder; false with err set, and no names, where not all of them can be read. */
MUST_USE bool folder_names(FolderNames *names, const char *folder, Error *err);
void folder_names_release(FolderNames *names);

#endif
