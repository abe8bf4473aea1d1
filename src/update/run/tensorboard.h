/*
 * TensorBoard event files: scalars by step, as records of length, masked CRC32C and protobuf
 * (https://www.tensorflow.org/tutorials/load_data/tfrecord).
 */
#ifndef UPDATE_RUN_TENSORBOARD_H
#define UPDATE_RUN_TENSORBOARD_H

#include <jansson.h>

#include "base/base.h"

typedef struct TensorBoard {
    FILE *file; /* owned; NULL when off */
    char *path; /* owned */
} TensorBoard;

/* Starts a new event file in folder (made if missing). */
MUST_USE bool tensorboard_open(TensorBoard *t, const char *folder, Error *err);

/* Writes every number in `metrics` (nested objects as "outer/inner") at this step, and flushes. */
MUST_USE bool tensorboard_write(TensorBoard *t, int64_t step, const json_t *metrics, Error *err);

/* Closes the file. Harmless where none is open. */
void tensorboard_close(TensorBoard *t);

/* CRC-32C (Castagnoli), as in RFC 3720; for tests too. */
uint32_t crc32c(const void *data, size_t size);

#endif
