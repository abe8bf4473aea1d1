/*
 * COCO's result list, [{"image_id": 42, "caption": "a red bus"}, ..]: what the field's evaluations exchange captions in. Read,
 * with the pictures found in a folder or with the ids of records; and written.
 */
#ifndef TOOLS_COCO_H
#define TOOLS_COCO_H

#include "stream/stream.h"

/* A file with the list's entries as JSON lines of records: id, frame.path (where `images`, a folder, is not NULL), caption.text.
 * An entry that cannot be one is said; the lines' end record counts it as failed, with status 3. A descriptor; -1 where the list,
 * or the folder, cannot be read. */
int coco_lines(const char *path, const char *images, Error *err);

/* The image_id of a record as COCO has it: the number that its id is, or that ends its file's name before the dot
 * (COCO_val2014_000000000042.jpg); else the whole id without ~k, a string. A new reference. */
json_t *coco_id(Slice id);

/* Writing a list to stdout: begin, an entry for each record with a caption, end. */
typedef struct CocoOut {
    json_t *seen; /* owned: an object of the ids written */
    bool any;
} CocoOut;

/* Writes an entry. False: the record has no caption, or its picture has an entry already, which COCO does not allow. */
MUST_USE bool coco_put(CocoOut *c, const Record *r, Error *err);
void coco_end(CocoOut *c);

/* Captions by image for records that come from elsewhere. */
typedef struct CocoJoin {
    json_t *captions; /* owned: by id as text */
    json_t *used;     /* owned: ids that records asked for */
    const char *path; /* borrowed */
    Packer record;    /* owned: the record last made */
    size_t unmatched; /* records that the list has no caption of */
} CocoJoin;

/* Reads a list; false where it is none, or names an image twice. */
MUST_USE bool coco_join_open(CocoJoin *c, const char *path, Error *err);

/* The record with the caption that the list has of its picture, valid until the next call, its groups in the arena. Where there
 * is none that is said and counted, and the record stays as it is. */
void coco_join_record(CocoJoin *c, const Record *r, Record *joined, Arena *arena);

/* How many records, and where all were there (`whole`) entries, had no partner; the entries are said. Frees. */
size_t coco_join_end(CocoJoin *c, bool whole);

#endif
