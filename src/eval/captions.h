/* Captions with their results as JSON lines (--per-image), and such lines back as a table: what a later run is compared with. */
#ifndef EVAL_CAPTIONS_H
#define EVAL_CAPTIONS_H

#include "eval/run.h"

/* A caption with its results: a row, of which an image's row in the table is the mean. */
typedef struct CaptionRow {
    const char *id;
    size_t image, rank, image_rank; /* ranks: 0 without a CLIP */
    double values[VALUES];
} CaptionRow;

/* Table of captions: an image's row is the mean over its captions. ids [units] are copied. */
void captions_metrics(Metrics *out, const CaptionRow *captions, size_t n, char *const *ids, size_t units, const int64_t *ks,
                      size_t n_ks);

/* {"id", "image", "text", "rank", "i2t_rank", "cosine", "itm", "words", ..} for each caption; whole or not at all. */
MUST_USE bool per_image_write(const char *path, const Run *run, Error *err);

/*
 * Reads such a file again. STATUS_CORRUPT names the line that is none. One of before cosine had its name, when it was called
 * clipscore, is read as it was meant, and that is said.
 */
MUST_USE bool per_image_read(Metrics *out, const char *path, const int64_t *ks, size_t n_ks, Error *err);

/* Whether a file looks like one rather than like a stream. */
bool per_image_is(const char *path);

#endif
