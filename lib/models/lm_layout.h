/*
 * How a batch of sequences lies in the matrices under teacher forcing. The input rows of a sequence are [prefix, BOS, t_1 ..
 * t_{n-1}]; with a memory the lead's stand where the prefix does. Neighbours whose rows begin alike form a run: the rows that all
 * of them begin with come first and once, then the rest of each.
 *
 *   "a b x" and "a c y" of one image, prefix P P:    row  0   1   2    3   4   5
 *                                                         P   P   BOS  a   b   c
 *                                                         shared by both   |   rest of the second
 *                                                                          rest of the first
 *
 * Runs are chosen so that the most rows are saved (dynamic programming over where runs end).
 */
#ifndef MODELS_LM_LAYOUT_H
#define MODELS_LM_LAYOUT_H

#include "models/lm.h"

/* Spans and `own` are on the tape, which needs them until the backward pass; the other arrays are on the heap. */
typedef struct LmLayout {
    size_t rows, own_rows, n_ids, n_spans, n_own_spans;
    Span *spans, *own_spans;  /* of all rows; of own rows alone as queries, counted among themselves */
    Span *cross, *own_cross;  /* with a memory: the same over the image of each; else NULL */
    RowRef *own;              /* [own_rows]: where the rows BOS .. t_{n-1} of every sequence lie among all */
    RowRef *refs;             /* [rows]: source 0 the prefixes', 1 the token embeddings' */
    int32_t *ids, *positions; /* [n_ids], [rows] */
} LmLayout;

/* How n sequences lie; lm_layout_release frees it. prefixes' rows and tokens are as in lm_hidden. */
LmLayout lm_layout_new(Tape *t, const Lm *m, const LmSequence *sequences, size_t n);
void lm_layout_release(LmLayout *l);

#endif
