/*
 * What shaped a stage's output besides its input: the header's `inputs` (formats/envelope.md), each by what it served as, and by
 * a digest of what is in it, wherever it lies.
 */
#ifndef STAGE_INPUTS_H
#define STAGE_INPUTS_H

#include <jansson.h>
#include <stdint.h>

/* Appends {"role", "digest"}. */
void inputs_add(json_t *inputs, const char *role, uint64_t digest);

/* The same with a digest as text. */
void inputs_add_text(json_t *inputs, const char *role, const char *digest);

#endif
