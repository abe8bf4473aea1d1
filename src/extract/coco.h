/*
 * The images of a dataset_coco.json with Karpathy's splits, each a source; a problem is a source too.
 */
#ifndef EXTRACT_COCO_H
#define EXTRACT_COCO_H

#include "extract/settings.h"
#include "extract/source.h"

typedef struct Coco Coco;

/* Opens --coco; dies when that fails. */
Coco *coco_new(const SourceSettings *s);

/* The next image of the splits that are wanted, not opened; false at the end, where each split's count and the digest of its ids
 * are told once, and whether a file named dataset_coco.json has as many as Karpathy's. */
bool coco_next(Coco *c, Source *out);
void coco_free(Coco *c); /* NULL-safe */

#endif
