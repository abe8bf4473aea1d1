/*
 * One batch of several ranks. Each reads its own records; here every rank learns what there is of all captions but their images,
 * in the order of records, so that all compute what one alone would: equation 3, baselines, losses, metrics. Images stay where
 * they are, and gradients are computed there (batch.h, own_first).
 *
 * The unit of work is a block of captions by index. A block belongs to the rank that has its first caption; what of it another
 * rank has read goes there. So blocks are the same whoever has read what.
 */
#ifndef UPDATE_SHARED_H
#define UPDATE_SHARED_H

#include "ranks/ranks.h"
#include "update/batch.h"
#include "update/run/consumed.h"

/* Makes every rank's batch the batch of all, and its ids consumed; ranks NULL: only that. A record whose id another rank has too
 * is left out, and counted. False where the spool cannot be read or written. */
MUST_USE bool batch_share(Batch *b, Consumed *consumed, Ranks *ranks, size_t block, int64_t *repeated, Error *err);

/* The record of entry i, at rank 0, whoever has read it: out is valid until the next spool call. Of several ranks all call it,
 * for the same entries in the same order; out of the others is left as it was. */
MUST_USE bool batch_entry(Batch *b, Ranks *ranks, size_t i, Record *out, Arena *arena, Error *err);

/* An array over the batch's tokens, of which each rank has computed those of its captions: every rank gets all of it. */
void batch_gather(const Batch *b, Ranks *ranks, const char *what, double *array);

#endif
