/*
 * RUN/config.json: what a run is, for people and for --config; and whether a run that goes on is still the same one.
 *
 * What changes numbers must stay: the options of vlrm-update (state.json vouches for those), and, as far as the input's header
 * tells them, the options, models and lists of the stages before it.
 */
#ifndef UPDATE_RUN_CONFIG_H
#define UPDATE_RUN_CONFIG_H

#include <jansson.h>

#include "update/learner.h"

/* What is no longer as it was in the steps before. */
typedef struct Changes {
    bool allowed; /* --change-options: it is said and kept; else the first one is an error */
    int64_t step; /* steps taken before */
    json_t *list; /* owned: [{"step", "stage", "option" or "input", "from", "to"}], those of earlier starts first */
} Changes;

/* Reads the list of changes that RUN/config.json has; none where there is no such file (run NULL: no run). */
MUST_USE bool changes_open(Changes *c, const char *run, bool allowed, Error *err);
void changes_release(Changes *c);

/* A step's metrics say what changed before it: "changed", where anything did. */
void changes_report(const Changes *c, int64_t step, json_t *metrics);

/*
 * Whether every option in `now` has the value it has in `before`, after `step` steps. If not, STATUS_MISMATCH naming the first:
 * found, expected; where changes are allowed they are kept, with a warning for each.
 */
MUST_USE bool config_agrees(const json_t *before, const json_t *now, int64_t step, const char *run, Changes *changes, Error *err);

/*
 * Writes RUN/config.json, whole or not at all: `options` (stolen), the digests of the models (init: of --init's tensors, or ""),
 * the changes, and `upstream` (borrowed; NULL keeps what the file says already).
 */
MUST_USE bool config_write(const char *run, const Learner *l, json_t *options, const char *init, const json_t *upstream,
                           const Changes *changes, Error *err);

/*
 * Takes the input's header, before anything else of the input: config_agrees, once steps have been taken, for the stages in
 * `upstream` against those that config.json knows (the first of a name with the first, the second with the second), then
 * config_write. Options that leave numbers alone (threads, where files lie) are not compared; models and lists are, by role and
 * digest (formats/envelope.md, `inputs`).
 */
MUST_USE bool config_begin(const char *run, const Learner *l, json_t *options, const char *init, const json_t *upstream,
                           Changes *changes, Error *err);

/* Whether the stages of two inputs of one run (their headers) have the same options, models and lists, but for what leaves
 * numbers alone. If not, STATUS_MISMATCH: `who` has the second, expected is the first. */
MUST_USE bool config_same_stages(const json_t *first, const json_t *second, const char *who, Error *err);

#endif
