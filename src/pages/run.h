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

/* A part of the run's folder, "batches"; the caller frees it. NULL where it is not there. */
char *run_part(const char *path, const char *part);

#endif
