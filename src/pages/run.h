/* What a run folder says of itself (formats/run.md), for a page: what was trained on what with which options, and its metrics. */
#ifndef PAGES_RUN_H
#define PAGES_RUN_H

#include <jansson.h>

#include "base/base.h"

/*
 * {"name", "path", "given": train.json, "config": config.json, "metrics": {"points", "steps", "each", "columns": {path: [number
 * or null]}}, "events": [[step, text]]}, of these what there is (a new reference). Metrics of more than 1,000 steps are means of
 * `each` steps. NULL with err set where the folder is no run, or its files are damaged; STATUS_MISMATCH where the run is of
 * another version of the suite.
 */
json_t *run_read(const char *name, const char *path, Error *err);

/* Takes a path (owned) which becomes NULL, and is freed, where nothing is there. False, and NULL, with err set where that cannot
 * be told. */
MUST_USE bool path_if_there(char **path, Error *err);

/* The path of a part of a folder, "batches", which the caller frees; NULL where it is not there. False, and NULL, with err set
 * where that cannot be told. */
MUST_USE bool run_part(char **out, const char *path, const char *part, Error *err);

#endif
