/*
 * A table of kernels that computes nothing, and counts: what the same code would take over any other table, of memory (tape_peak)
 * and of products. For plans: models go through it in no time, and the pages of what it allocates are never touched.
 *
 * What a download gives is zero; the largest logits of every row are its last columns.
 */
#ifndef TENSOR_KERNELS_IDLE_H
#define TENSOR_KERNELS_IDLE_H

#include "tensor/kernels.h"

/* What has been asked for since idle_reset. */
typedef struct IdleCounts {
    double products;       /* multiplications in products of whole sequences */
    double step_products;  /* in those of steps of decoding */
    double step_bytes;     /* of weights that those steps read */
    size_t largest_factor; /* values of the largest left factor: what a CPU's scratch is made for */
} IdleCounts;

/* The table; borrowed, one for all. From one thread. */
const Kernels *kernels_idle(void);

/* Counts begin again from zero. */
void idle_reset(void);

/* What has been asked for since then. */
IdleCounts idle_counts(void);

#endif
