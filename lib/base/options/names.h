/*
 * The names of all programs' options: one --config serves a whole pipeline, so a key may be another program's option, but one
 * that is nobody's is misspelt. The list is made when the suite is built, from the tables in its sources (Makefile:
 * build/VARIANT/lib/base/options/list.c).
 */
#ifndef BASE_OPTIONS_NAMES_H
#define BASE_OPTIONS_NAMES_H

#include <stdbool.h>
#include <stddef.h>

/* Sorted, ends in NULL. */
extern const char *const option_names[];

/* Whether some program has an option of this name, or it is what a run's config.json or train.json says besides options. */
bool option_name_known(const char *name);

/* The name that differs least, by two letters at most; NULL for none. */
const char *option_name_near(const char *name, size_t n);

#endif
