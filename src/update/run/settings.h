/* The options of vlrm-update as JSON: which of them a run keeps, and what is written for --config to take back. */
#ifndef UPDATE_RUN_SETTINGS_H
#define UPDATE_RUN_SETTINGS_H

#include "base/options/options.h"

/* The options that the parameters depend on, all but those marked .may_change (a new reference); a run keeps them. init: digest
 * of what --init gave; "" for none. */
json_t *settings_numbers(const Program *program, const char *init);

/* Every option but those that ask for something to be done now (a new reference). crop is null unless it was given: then the
 * input's header says it, and says it again where this is given back with --config. */
json_t *settings_json(const Program *program);

/* The same for taking a kept step again, which writes nowhere but where it is told to, and ends when it is done. */
json_t *settings_kept(const Program *program);

#endif
