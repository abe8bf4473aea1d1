/*
 * Folders of numbered steps: DIR/step-000042. Each appears whole (written as step-000042.writing-PID, renamed); what a killed
 * writer left behind is removed by the next one.
 */
#ifndef BASE_STEPS_H
#define BASE_STEPS_H

#include "base/base.h"

/* DIR/step-NNNNNN, at least six digits; the caller frees it. */
char *step_folder(const char *dir, int64_t step);

/* The number in a name "step-NNNNNN"; -1 for any other name. */
int64_t step_number(const char *name);

/* The newest complete step folder in dir; -1 when there is none. A dir that is missing or cannot be listed is an error. */
MUST_USE bool steps_newest(const char *dir, int64_t *newest, Error *err);

/* How many complete step folders dir has, step `but` not counted. */
MUST_USE bool steps_count(const char *dir, int64_t but, size_t *n, Error *err);

/*
 * Removes step folders of dir but for the newest `keep`, every `every`-th (0: none) and step `but` (-1: none); and left-overs of
 * writers. With after >= 0 also removes all steps past `after` (a killed run had got further than its checkpoint). Removes
 * nothing where dir cannot be listed whole.
 */
MUST_USE bool steps_prune(const char *dir, size_t keep, int64_t every, int64_t but, int64_t after, Error *err);

/* Renames `writing` to `folder`, in place of one already there; both are then synced. */
MUST_USE bool folder_replace(const char *writing, const char *folder, Error *err);

/* Removes NAME.writing-* of dir (NULL: of any name): what killed writers left behind; a missing dir is fine. Only for whoever
 * alone writes there. */
MUST_USE bool leftovers_remove(const char *dir, const char *name, Error *err);

/* rm -r; missing is fine. */
MUST_USE bool folder_remove(const char *path, Error *err);

#endif
