/*
 * References that do not come with the frames: --references FILE, which is COCO's captions_*.json ({"images": [{"id",
 * "file_name"}], "annotations": [{"image_id", "caption"}]}) or Karpathy's dataset_*.json ({"images": [{"filename", "cocoid",
 * "split", "sentences": [{"raw"}]}]}). A record's image is found by its id, or by the name of its file.
 */
#ifndef EVAL_REFERENCES_H
#define EVAL_REFERENCES_H

#include <jansson.h>

#include "base/base.h"
#include "base/hash.h"
#include "base/slice.h"

typedef struct ReferenceSet ReferenceSet;

/* Reads the file. split NULL: all of it; else the images of that split (Karpathy's), as NAME or NAME=DIGEST: STATUS_MISMATCH
 * where there is no such split, or its digest is another. */
ReferenceSet *reference_set_open(const char *path, const char *split, Error *err);
void reference_set_free(ReferenceSet *s); /* NULL is fine */

/* The image of a record by its id and frame.path ({NULL, 0}: none); SIZE_MAX where the file, or the split, has no such. */
size_t reference_set_find(const ReferenceSet *s, Slice id, Slice path);

/* The references of image `i`: n texts. */
const Slice *reference_set_texts(const ReferenceSet *s, size_t i, size_t *n);

/* An id and a file name that it has, for whoever looks for another. */
const char *reference_set_example(const ReferenceSet *s);

/* STATUS_MISMATCH, naming one, if an image of the split was not among those found. Nothing without a split. */
MUST_USE bool reference_set_complete(const ReferenceSet *s, Error *err);

/* {"name", "images", "texts", "split": {"name", "images", "digest"}}; the split's digest is of its image ids, ascending. */
json_t *reference_set_json(const ReferenceSet *s);

#endif
