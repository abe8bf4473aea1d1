/*
 * How much a caption says what its references say: BLEU (Papineni et al. 2002), ROUGE-L (Lin 2004) and CIDEr-D (Vedantam et al.
 * 2015), as pycocoevalcap 1.2 computes them on the tokens of text/ptb.h. What pycocoevalcap calls CIDEr is CIDEr-D: counts are
 * clipped and a difference of length is penalised.
 *
 * BLEU of a set is no mean of BLEUs, so a caption gives its parts (derived.h makes BLEU of their sums).
 */
#ifndef EVAL_OVERLAP_H
#define EVAL_OVERLAP_H

#include "eval/frequencies.h"

typedef struct Overlap {
    double correct[GRAM_ORDERS], guess[GRAM_ORDERS]; /* n-grams that a reference has too, clipped; n-grams */
    double length, closest;                          /* words; words of the reference of the closest length */
    double rouge, cider;
} Overlap;

/* Of a caption with n > 0 references. */
Overlap overlap_measure(const Words *caption, const Words *references, size_t n, const Frequencies *frequencies, Arena *scratch);

#endif
