/*
 * The elements of arrays in a large file of JSON: {"images": [{..}, ..], "annotations": [{..}, ..]}. The file is read once and
 * one element at a time is in memory, of at most 16 MB; what is not asked for is passed over. Where one array alone is wanted,
 * it must be there, and nothing is read behind it.
 */
#ifndef BASE_JSON_ELEMENTS_H
#define BASE_JSON_ELEMENTS_H

#include <jansson.h>

#include "base/base.h"

typedef struct JsonElements JsonElements;

/* keys: of the top-level arrays that are wanted, up to a NULL; borrowed. NULL with err set where the file cannot be opened. */
JsonElements *json_elements_open(const char *path, const char *const *keys, Error *err);
void json_elements_close(JsonElements *e); /* NULL is fine */

/* The next element, an object (a new reference), and the key of its array. NULL at the end, and with err set (STATUS_CORRUPT, the
 * file and the byte named) for what is no such file. */
json_t *json_elements_next(JsonElements *e, const char **key, Error *err);

/* What is wrong with the file, without its name: after NULL with STATUS_CORRUPT; borrowed. Else NULL. */
const char *json_elements_problem(const JsonElements *e);

#endif
