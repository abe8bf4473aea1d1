/* Whole files of JSON: one object each. */
#ifndef BASE_JSON_FILE_H
#define BASE_JSON_FILE_H

#include <jansson.h>

#include "base/base.h"

/* A JSON object from a file, with a bound on depth; NULL with err set: STATUS_CORRUPT for what is not one. The caller owns the
 * reference. */
json_t *json_file_read(const char *path, Error *err);
/* The same with all numbers as reals: tokenizer_config.json has some that no integer holds (1000000000000000019884624838656). */
json_t *json_file_read_reals(const char *path, Error *err);

/* Writes FOLDER/NAME, indented, numbers to the last digit, whole or not at all. Borrows value. */
MUST_USE bool json_file_write(const char *folder, const char *name, const json_t *value, Error *err);

#endif
