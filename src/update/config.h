/*
 * RUN/config.json: what a run is, for people and for --config; and whether a run that goes on is still the same one.
 *
 * What changes numbers must stay: the options of vlrm-update (state.json vouches for those), and, as far as the input's header
 * tells them, those of the stages before it.
 */
#ifndef UPDATE_CONFIG_H
#define UPDATE_CONFIG_H

#include <jansson.h>

#include "update/learner.h"

/*
 * Whether every option in `now` has the value it has in `before`. If not, STATUS_MISMATCH naming the first: found, expected; with
 * `allowed` a warning for each instead.
 */
__attribute__((warn_unused_result)) bool config_agrees(const json_t *before, const json_t *now, const char *run, bool allowed,
                                                       Error *err);

/*
 * As config_agrees for the stages in `upstream`, the input's header, against those that config.json knows: stages of the same
 * name are compared, without options that leave numbers alone (threads, where files lie).
 */
__attribute__((warn_unused_result)) bool config_upstream_agrees(const json_t *upstream, const char *run, bool allowed,
                                                                Error *err);

/*
 * Writes RUN/config.json, whole or not at all: `options` (stolen), the digests of the models (init: of --init's tensors, or ""),
 * and `upstream` (borrowed; NULL keeps what the file says already).
 */
__attribute__((warn_unused_result)) bool config_write(const char *run, const Learner *l, json_t *options, const char *init,
                                                      const json_t *upstream, Error *err);

#endif
