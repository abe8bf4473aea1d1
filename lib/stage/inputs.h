/*
 * What shaped a stage's output besides its input: the header's `inputs` (formats/envelope.md), each by what it served as, and by
 * a digest of what is in it, wherever it lies.
 */
#ifndef STAGE_INPUTS_H
#define STAGE_INPUTS_H

#include <jansson.h>
#include <stdint.h>

#include "base/msg.h"

/* Appends {"role", "digest"}. */
void inputs_add(json_t *inputs, const char *role, uint64_t digest);

/* The same with a digest as text. */
void inputs_add_text(json_t *inputs, const char *role, const char *digest);

/*
 * The same with the digest of a file's bytes. Nothing is added for "-", or for what is no regular file: what a pipe brings is not
 * known before it is read. False with err set where the file cannot be read.
 */
MUST_USE bool inputs_add_file(json_t *inputs, const char *role, const char *path, Error *err);

/* The digest of the first of this role (borrowed); NULL where there is none, and where `inputs` is no such array. */
const json_t *inputs_find(const json_t *inputs, const char *role);

#endif
