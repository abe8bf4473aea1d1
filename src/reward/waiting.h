/*
 * Rewards that wait until their batch is complete: Phi, and parts that are standardised, are of all its captions together.
 * Records wait in the spool, what is known of them in memory.
 */
#ifndef REWARD_WAITING_H
#define REWARD_WAITING_H

#include "stage/groups.h"
#include "stage/spool.h"
#include "stage/standardise.h"
#include "tensor/kernels.h"

/* What is written of a record besides its reward. */
typedef struct Waited {
    Slice caption;   /* the packed caption group, where its ids were made; in the arena */
    const char *why; /* it failed; in the arena */
} Waited;

typedef struct Waiting {
    Rewarded *rewards;    /* owned: [n]; marks point into the batch's arena */
    Waited *items;        /* owned: [n] */
    real *images, *texts; /* owned: [good, projection], of those that did not fail; with CLIP */
    size_t n, good, rewards_capacity, items_capacity, images_capacity, texts_capacity;
    Spool records;
    Arena arena;
} Waiting;

/* An empty batch; what does not fit in memory_limit bytes waits in `folder` (borrowed). waiting_release frees it. */
void waiting_init(Waiting *w, const char *folder, size_t memory_limit);
void waiting_release(Waiting *w);

/* The next record of the batch, in the order in which they came, with its reward, of which what points into the caption is
 * copied; caption: its packed group, in the batch's arena, where its ids were made. Ends the program where the spool cannot be
 * written. */
void waiting_add(Waiting *w, const Record *r, const Reward *reward, const GroupInfo *group, Slice caption);

/* The next record, which failed. */
void waiting_add_failed(Waiting *w, const Record *r, const char *why);

/* CLIP's embeddings [cols] of the record last added. */
void waiting_embeddings(Waiting *w, const real *image, const real *text, size_t cols);

/* Fills in Phi of all that did not fail. */
void waiting_phi(Waiting *w, const Kernels *kernels, size_t cols);

/* Record i again, its groups in the arena. Ends the program where the spool cannot be read. */
void waiting_record(Waiting *w, size_t i, Record *out);

/* Empty, for the next batch. */
void waiting_reset(Waiting *w);

#endif
