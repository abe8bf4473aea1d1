/* Batches kept for replay; see kept.h. */
#include "update/run/kept.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/steps.h"
#include "base/json_file.h"

enum { COLLAPSES_KEPT = 4 }; /* a collapse goes on for as long as it is let, and each has a state */

static bool batch_write(const char *folder, Batch *b, const BatchOrigin *origin, json_t *config, Error *err)
{
    char *path = path_join(folder, "batch.vlrm");
    bool ok = batch_file_write(path, b, origin, config, err);
    free(path);
    return ok;
}

bool kept_write(Run *run, const char *kind, Learner *l, Batch *b, const BatchOrigin *origin, json_t *config, Error *err)
{
    if (ranks_rank(origin->ranks) > 0)
        return batch_file_help(b, origin, err);
    char *kinds = path_join(run->options.folder, kind), *folder = step_folder(kinds, l->step + 1);
    char *writing = folder_make(kinds, err) ? writing_folder(folder, err) : NULL;
    bool ok = writing && run_keep_state(run, l, writing, err) && json_file_write(writing, "config.json", config, err) &&
              batch_write(writing, b, origin, config, err) && folder_replace(writing, folder, err);
    Error ignored = {0};
    if (writing && !ok && !folder_remove(writing, &ignored))
        note("%s", ignored.text);
    free(writing);
    free(folder);
    free(kinds);
    return ok;
}

/* Nothing has been kept yet: the folder comes with the first. */
static bool is_missing(const char *folder)
{
    struct stat st;
    return stat(folder, &st) != 0 && errno == ENOENT;
}

/* Whether there is room for another; rank 0 looks, and all do as it says. */
static bool has_room(const Run *run, const Learner *l, Ranks *ranks, bool *room, Error *err)
{
    char *folder = path_join(run->options.folder, KEPT_COLLAPSE);
    size_t others = 0;
    bool ok = ranks_rank(ranks) > 0 || is_missing(folder) || steps_count(folder, l->step + 1, &others, err);
    *room = ok && others < COLLAPSES_KEPT;
    ranks_broadcast(ranks, "whether a collapse is kept", 0, room, sizeof *room);
    free(folder);
    return ok;
}

bool kept_collapse(Run *run, Learner *l, Batch *b, const BatchOrigin *origin, json_t *config, Error *err)
{
    bool room;
    return has_room(run, l, origin->ranks, &room, err) && (!room || kept_write(run, KEPT_COLLAPSE, l, b, origin, config, err));
}

bool kept_prune(const Run *run, int64_t keep, int64_t after, Error *err)
{
    char *folder = path_join(run->options.folder, KEPT_LAST);
    bool ok = is_missing(folder) || steps_prune(folder, keep > 0 ? (size_t)keep : SIZE_MAX, 0, -1, after, err);
    free(folder);
    return ok;
}
