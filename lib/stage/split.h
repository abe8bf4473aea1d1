/*
 * A split of an image set, as Karpathy's of COCO: which images it has, by their count and the digest of their ids, so that two
 * evaluations can be held beside each other. Figures on COCO are of Karpathy's 5,000 test images by custom, and files that call a
 * split of their own "test" are about.
 */
#ifndef STAGE_SPLIT_H
#define STAGE_SPLIT_H

#include "base/base.h"
#include "base/hash.h"

/* The ids of a split's images. All zero is an empty one. */
typedef struct SplitIds {
    int64_t *ids; /* owned */
    size_t count, capacity;
} SplitIds;

/* Adds the id of one more image. */
void split_ids_add(SplitIds *s, int64_t id);

/* Frees the ids and makes it an empty one. */
void split_ids_release(SplitIds *s);

/* xxh3-64 of the ids, ascending, as 64-bit little-endian numbers. Sorts them. */
Digest split_ids_digest(SplitIds *s);

/*
 * What parts the split of that name in a file from Karpathy's of the same name: a text to be freed; NULL where nothing does,
 * where he has none of that name, or where the file is not called dataset_coco.json, as his is. Counts of all four splits are
 * known, ids of val and test. digest NULL: its ids are not known. https://cs.stanford.edu/people/karpathy/deepimagesent/
 */
char *split_differs(const char *path, const char *name, int64_t count, const Digest *digest);

#endif
