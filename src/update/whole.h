/*
 * Rewards that are of their whole batch (stage/deferred.h): what of each record they are completed from, once all of the batch is
 * known, by the code that vlrm-reward would have used. What a program between has added to returns stays added.
 */
#ifndef UPDATE_WHOLE_H
#define UPDATE_WHOLE_H

#include "stage/groups.h"
#include "stage/standardise.h"

/* How they are completed: the options of vlrm-reward. */
typedef struct WholeRule {
    Weights weights;
    int64_t scope; /* Standardise */
    size_t cols;   /* of CLIP's vectors; 0: no Phi is to come */
    size_t n;      /* rewards; 0: the others say nothing */
} WholeRule;

/* What of one record. */
typedef struct WholeEntry {
    double itm, phi, ref, sim; /* phi and sim: once completed */
    uint64_t group;            /* hash of its name */
    size_t first, n;           /* its tokens */
    bool noeos, baseline;
} WholeEntry;

enum { WHOLE_MARKS = 3 }; /* of each token: bad, repeat, good */

typedef struct WholeRewards {
    WholeRule rule;
    WholeEntry *entries;  /* owned, [rule.n]: of all records of the batch, or there are none */
    uint8_t *marks;       /* owned: of each token; of a caption first all bad ones */
    double *returns;      /* owned, of each token: as recorded, then completed */
    real *images, *texts; /* owned: [rule.n, cols] */
    size_t n_tokens, entries_capacity, marks_capacity, returns_capacity, images_capacity, texts_capacity;
} WholeRewards;

/* `= {0}` has none; released, it has none again. */
void whole_release(WholeRewards *w);

/* There are none again; memory is kept. */
void whole_forget(WholeRewards *w);

/*
 * Takes what record number `before` of the batch has, if its reward is still to be completed: n tokens with these returns. header
 * (borrowed): of the input, whose stage `reward` says how. STATUS_MISMATCH where some of a batch are whole and others not.
 */
MUST_USE bool whole_add(WholeRewards *w, const Record *r, size_t before, const GroupInfo *group, const double *returns, size_t n,
                        const json_t *header, Error *err);

/* Takes reward i of another: both are completed in the same way. */
void whole_append(WholeRewards *w, const WholeRewards *from, size_t i);

/* Completes all: phi, sim and returns. */
void whole_complete(WholeRewards *w, const Kernels *kernels);

#endif
