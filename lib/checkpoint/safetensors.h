/*
 * Safetensors files, as they lie in memory.
 *
 * Format (https://github.com/huggingface/safetensors): u64 little-endian length of the header; a JSON object
 * {name: {"dtype", "shape", "data_offsets": [begin, end]}, "__metadata__": {..}}; raw values. Nothing in a file is trusted: a
 * header that does not describe its file exactly is an error that names the tensor.
 */
#ifndef CHECKPOINT_SAFETENSORS_H
#define CHECKPOINT_SAFETENSORS_H

#include <jansson.h>

#include "checkpoint/stored.h"

/* Appends the file's tensors to out. *header, which the caller decrefs, holds their names; it is NULL where there is none. */
MUST_USE bool safetensors_read(const unsigned char *file, size_t size, json_t **header, StoredList *out, Error *err);

#endif
