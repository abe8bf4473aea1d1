/*
 * Scratch memory of the CPU kernels: one buffer per thread and use, kept and grown on demand, so that a loop that has warmed up
 * allocates nothing.
 */
#ifndef TENSOR_CPU_SCRATCH_H
#define TENSOR_CPU_SCRATCH_H

#include <stddef.h>

typedef enum Scratch {
    SCRATCH_INPUT,  /* the left factor of a product, rounded to bf16; shared by all threads, owned by the caller's */
    SCRATCH_SHARED, /* a factor of a product, packed; likewise */
    SCRATCH_OWN,    /* a block of the other factor, packed; each thread's own */
    SCRATCH_ROWS,   /* scores, keys and values of one attention head; each thread's own */
    SCRATCH_PIECES, /* what was found in each piece of a row; shared by all threads, owned by the caller's */
    N_SCRATCH
} Scratch;

/* At least `bytes` of this thread's memory for this use, 64-byte aligned; what it held is lost. */
void *scratch(Scratch use, size_t bytes);

#endif
