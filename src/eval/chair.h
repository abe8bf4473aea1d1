/*
 * CHAIR (Rohrbach et al. 2018, arXiv 1809.02156): which of COCO's objects a caption names, and which of those are not in the
 * image.
 *
 * Objects are the categories of an instances_*.json; what stands for them in words is the published list of synonyms: a line for
 * each category, "person, girl, boy, man": its name, then other words. Words of a caption are [a-z]+ of its lower case, in the
 * singular (chair.c says how); the longest synonym of up to three words wins; "baby" and "adult" before an animal and "passenger"
 * before a vehicle are no person, a "train track" is no train, a "home plate" nothing, a "toilet seat" a toilet, a "bow tie" a
 * tie. In the image are the categories of its annotations, and what its references name where they are compared with.
 */
#ifndef EVAL_CHAIR_H
#define EVAL_CHAIR_H

#include <jansson.h>

#include "base/base.h"
#include "base/slice.h"

enum { CHAIR_OBJECTS = 256 }; /* categories at most */

typedef struct Chair Chair;

/* A set of objects, by number. */
typedef struct Objects {
    uint64_t bits[CHAIR_OBJECTS / 64];
} Objects;

typedef struct ChairCounts {
    size_t mentioned, invented; /* mentions of objects; of those that are not in the image */
    size_t found, objects;      /* objects of the image that are mentioned; objects of the image */
} ChairCounts;

/* Reads both files, the first in pieces. STATUS_CORRUPT where one is none, STATUS_MISMATCH where a line of the list begins with
 * no category of the instances, or a category has no line. */
Chair *chair_open(const char *instances, const char *synonyms, Error *err);
void chair_free(Chair *c); /* NULL is fine */

/* The number of the image of a record, by its id and frame.path ({NULL, 0}: none); SIZE_MAX where there is none. */
size_t chair_find(const Chair *c, Slice id, Slice path);

/* What is in an image: bits of categories. */
Objects chair_objects(const Chair *c, size_t image);

/* Adds the objects that a text names. */
void chair_add(const Chair *c, Objects *objects, Slice text);

/* Holds a caption against what is in its image. */
ChairCounts chair_judge(const Chair *c, const Objects *in_image, Slice text);

/* An id and a file name that it has. */
const char *chair_example(const Chair *c);

/* {"instances", "synonyms", "images", "categories", "digest"} of the list. */
json_t *chair_json(const Chair *c);

#endif
