/*
 * In how many images' references an n-gram stands: what CIDEr weighs by. Counted from the references of the images that are
 * evaluated, or read from a file (--df), so that scores of different sets of images can be compared. formats/frequencies.md.
 */
#ifndef EVAL_FREQUENCIES_H
#define EVAL_FREQUENCIES_H

#include "base/hash.h"
#include "base/hashmap.h"
#include "eval/grams.h"

typedef struct Frequencies {
    HashMap counts; /* of n-grams, by gram_hash */
    size_t images;
} Frequencies;

/* Counts one image: every n-gram of its references once. */
void frequencies_add(Frequencies *f, const Words *references, size_t n, Arena *scratch);

/* log(max(1, images with the n-gram)). */
double frequencies_log(const Frequencies *f, uint64_t gram);

/* Of the counts and the number of images, whatever their order. */
Digest frequencies_digest(const Frequencies *f);

/* Reads such a file. STATUS_CORRUPT names the line that is none. */
MUST_USE bool frequencies_read(Frequencies *f, const char *path, Error *err);

/* Writes the file: the n-grams of these tokenised references, with their counts in f; whole or not at all. */
MUST_USE bool frequencies_write(const char *path, const Frequencies *f, const Slice *references, size_t n, Error *err);

/* Frees what it holds; it is empty again. */
void frequencies_release(Frequencies *f);

#endif
