/*
 * A table of kernels that computes nothing, and notes what it was asked for: what the same code would take over any other table,
 * of memory (tape_peak) and of time (stage/tempo.h). For plans: models go through it in no time, and the pages of what it
 * allocates are never touched.
 *
 * What a download gives is zero; the largest logits of every row are its last columns.
 */
#ifndef TENSOR_KERNELS_IDLE_H
#define TENSOR_KERNELS_IDLE_H

#include "tensor/kernels.h"

/* Kinds of calls that take about as long for the same sizes. */
typedef enum IdleSlot {
    IDLE_MATMUL, /* sizes: m, n, k, and the type of the weights */
    IDLE_MATMUL_STEP,
    IDLE_MATMUL_DX,
    IDLE_MATMUL_DW,
    IDLE_ATTENTION, /* heads, columns, spans, and whether it is a step */
    IDLE_ATTENTION_BACKWARD,
    IDLE_NORM, /* rows, columns */
    IDLE_NORM_BACKWARD,
    IDLE_LOGP,
    IDLE_LOGP_BACKWARD,
    IDLE_TOP_K,
    IDLE_GELU, /* values */
    IDLE_GELU_BACKWARD,
    IDLE_ADAM,
    IDLE_EMBED,  /* rows, columns, and the type of the table */
    IDLE_GATHER, /* rows that are picked or put: rows, columns */
    IDLE_ZERO,   /* values */
    IDLE_STREAM, /* values that are read and written: sums, copies */
    IDLE_SLOTS
} IdleSlot;

/* Different places in memory, up to IDLE_PLACES of them: one that comes again may still be in a cache. */
enum { IDLE_PLACES = 64 };
typedef struct IdlePlaces {
    const void *seen[IDLE_PLACES];
    size_t n;
} IdlePlaces;

/* Calls of one kind and size. */
typedef struct IdleCall {
    IdleSlot slot;
    DType type;
    size_t m, n, k;
    bool step, causal;
    size_t rows, keys; /* of attentions but steps: rows of q and of k that their spans come to */
    double times;      /* how often; none of a whole number where they were weighed */
    double queries, prefixed,
        pairs;                  /* of attentions, of all their spans: rows of q, of k in prefixes; pairs of a query and a key */
    IdlePlaces results, inputs; /* of results; of what was computed long before: keys of a step, what a backward pass reads */
} IdleCall;

/* The table; borrowed, one for all. From one thread. */
const Kernels *kernels_idle(void);

/* Calls of before are forgotten; those to come weigh 1. */
void idle_reset(void);

/* From now on each call stands for so many. */
void idle_weigh(double times);

/* The calls since idle_reset, each kind and size once, and how many there are. Valid until the next call over the table. */
const IdleCall *idle_calls(size_t *n);

/* Values of the largest left factor of a product there ever was: what a CPU's scratch is made for. */
size_t idle_largest_factor(void);

#endif
