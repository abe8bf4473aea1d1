/*
 * What returns are compared with, and how advantages are scaled (MODEL.md, "Baselines").
 *
 *   A_k = R(t_k) - b_k, and M is A scaled. Where several captions of an image are compared, b is made of whole captions,
 * R_j(t_1): a caption's own penalties stay with its tokens.
 *
 * A value head predicts b (paper, section 3.2); without one b is of the batch itself, and nothing has to be learned for it.
 */
#ifndef UPDATE_BASELINE_H
#define UPDATE_BASELINE_H

#include "update/batch.h"

typedef enum Baseline {
    BASELINE_VALUE,    /* the value head's V_k */
    BASELINE_RLOO,     /* mean of R(t_1) of the other captions of the image (Ahmadian et al., 2402.14740) */
    BASELINE_GROUP,    /* mean of R(t_1) of all captions of the image (Shao et al., 2402.03300; Liu et al., 2503.20783) */
    BASELINE_BATCH,    /* mean of R over all tokens of the batch */
    BASELINE_POSITION, /* the same, over the batch's tokens of the same place k */
    BASELINE_GREEDY,   /* R(t_1) of the image's greedy caption (Rennie et al., 1612.00563) */
} Baseline;

typedef enum GroupScale {
    SCALE_NONE,  /* M = A (Dr. GRPO) */
    SCALE_GROUP, /* M = A / (std of R_j(t_1) over the image's captions + 1e-4) (GRPO); 0 where they do not differ */
    SCALE_BATCH, /* equation 3: M = (A - mean) / std over all tokens of the batch */
    SCALE_BOTH,  /* by the group, then equation 3 */
} GroupScale;

/* A standard deviation up to which rewards count as equal: they teach nothing. */
#define SPREAD_LEAST 1e-6

/*
 * b_k of every token of the batch, for any baseline but the value head's. A caption that is alone in its group is compared with
 * itself (RLOO, GROUP); NAN where there is nothing to compare with: a greedy caption that was lost.
 */
void baseline_find(double *values, Baseline kind, const Batch *b);

/* A and M of every token. Where a value is NAN both are 0, the token counts nowhere, and the value becomes its return. */
void advantages(double *a, double *m, double *values, GroupScale scale, const Batch *b);

/* How rewards R(t_1) differ within groups: the mean over groups of their standard deviations, and the share of groups in which
 * they do not (a group of one is one of them). */
typedef struct GroupSpread {
    double mean_std, zero_share;
} GroupSpread;
GroupSpread group_spread(const Batch *b);

/* Captions that nothing was compared with, of a batch whose baseline is this. */
size_t baseline_missing(Baseline kind, const Batch *b);

#endif
