/*
 * The logits of a step as the host needs them: of every row the likeliest tokens, as many as a choice can depend on, in one call
 * of the device; a row whose list does not settle the choice is brought over whole, which is rare.
 *
 *   candidates_ban(&s, row, history) for each row; candidates_fetch(&s, logits);
 *   c = candidates_get(&s, row); if it does not suffice: c = candidates_whole(&s, row, 0)
 */
#ifndef DECODE_CANDIDATES_H
#define DECODE_CANDIDATES_H

#include "decode/sampler.h"
#include "tensor/kernels.h"

typedef struct Candidates {
    const Kernels *kernels;
    const GenerateOptions *options; /* borrowed */
    size_t vocabulary, want;        /* want: how many of the likeliest that may follow settle the choice */
    size_t most_banned;
    int32_t *banned; /* [rows, most_banned] */
    size_t *n_banned;
    size_t k;     /* tokens listed in each row of this step */
    real *values; /* [rows, k], in order of id; banned ones -INFINITY */
    int32_t *ids;
    real *rest; /* [rows]: the least value that was listed */
    double *lse;
    const real *logits; /* [rows, vocabulary], the device's, borrowed */
    real *whole;        /* [n_whole, vocabulary] */
} Candidates;

/* For steps of up to `rows` rows, and n_whole whole ones at a time. What it takes is the arena's. */
void candidates_init(Candidates *s, Arena *arena, const Kernels *kernels, const GenerateOptions *options, size_t vocabulary,
                     size_t rows, size_t n_whole, size_t most_history);

/* What must not follow in a row of the next step. */
void candidates_ban(Candidates *s, size_t row, History history);

/* A step's logits [rows, vocabulary] on the device. They must stay until the next step for candidates_whole. */
void candidates_fetch(Candidates *s, const real *logits, size_t rows);

/* The listed tokens of a row; and all of them, in place `place` of those for whole rows. */
Choices candidates_get(const Candidates *s, size_t row);
Choices candidates_whole(Candidates *s, size_t row, size_t place);

#endif
