/*
 * Captions that are compared with each other: those of one image, as their records say (formats/caption.md). Nobody may split a
 * group between batches; here is where a batch of at least so many records may end.
 */
#ifndef STAGE_GROUPS_H
#define STAGE_GROUPS_H

#include "stream/stream.h"

/* What a record says of its group. */
typedef struct GroupInfo {
    Slice name;    /* caption.group, else the record's id: a group of its own */
    int64_t size;  /* captions that were made of the image, one that is only compared with among them; 0: it is not said */
    bool baseline; /* the caption is what the others are compared with, and is not learned from */
} GroupInfo;

/* Reads caption.group, .group_size and .baseline. False with err set where one of them is of the wrong type. */
MUST_USE bool group_read(GroupInfo *out, const Record *r, Error *err);

/* The group of the record last taken. `= {0}` is at the beginning of a batch. */
typedef struct GroupCut {
    uint64_t group;      /* hash of its name; 0: complete */
    int64_t size, taken; /* size 0: it goes on until another begins */
} GroupCut;

/* Takes a record of the batch, whatever is wrong with it. */
void group_cut_take(GroupCut *c, const Record *r);

/* Whether more of the last record's group may come. */
bool group_cut_open(const GroupCut *c);

/* Whether a record is of another group than the one before it: the batch may end between them. */
bool group_cut_before(const GroupCut *c, const Record *r);

#endif
