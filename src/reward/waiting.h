/*
 * Rewards that wait until their batch is complete: Phi, and parts that are standardised, are of all its captions together.
 * Records wait in the spool, what is known of them in memory.
 */
#ifndef REWARD_WAITING_H
#define REWARD_WAITING_H

#include "stage/returns.h"
#include "stage/groups.h"
#include "stage/spool.h"
#include "tensor/kernels.h"

typedef struct Waited {
    Reward reward;   /* marks point into the batch's arena */
    Slice caption;   /* the packed caption group, where its ids were made; in the arena */
    const char *why; /* it failed; in the arena */
    uint64_t group;  /* hash of the name of its group */
    bool baseline;   /* it is only compared with */
} Waited;

typedef struct Waiting {
    Waited *items;        /* owned: [n] */
    real *images, *texts; /* owned: [good, projection], of those that did not fail; with CLIP */
    size_t n, good, capacity, images_capacity, texts_capacity;
    Spool records;
    Arena arena;
} Waiting;

/* An empty batch; what does not fit in memory_limit bytes waits in `folder` (borrowed). waiting_release frees it. */
void waiting_init(Waiting *w, const char *folder, size_t memory_limit);
void waiting_release(Waiting *w);

/* The next record of the batch, in the order in which they came, for which nothing is known. Ends the program where the spool
 * cannot be written. */
Waited *waiting_add(Waiting *w, const Record *r);

/* Its reward, of which what points into the caption is copied. */
void waiting_keep(Waiting *w, Waited *waited, const Reward *reward, const GroupInfo *group);

/* CLIP's embeddings [cols] of the record last added. */
void waiting_embeddings(Waiting *w, const real *image, const real *text, size_t cols);

/* Fills in Phi of all that did not fail. */
void waiting_phi(Waiting *w, const Kernels *kernels, size_t cols);

/* Record i again, its groups in the arena. Ends the program where the spool cannot be read. */
void waiting_record(Waiting *w, size_t i, Record *out);

/* Empty, for the next batch. */
void waiting_reset(Waiting *w);

#endif
