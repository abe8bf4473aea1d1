/*
 * One batch as the learner sees it: tokens and returns in memory, whole records in the spool.
 */
#ifndef UPDATE_BATCH_H
#define UPDATE_BATCH_H

#include "stream/stream.h"
#include "stage/spool.h"

/* One caption. Its record is blob i of the spool, i its index. */
typedef struct Episode {
    size_t first, n; /* its tokens in the batch's arrays */
    bool eos;
    double sim, ref, itm, phi;  /* reward parts; NAN where the record has none */
    int64_t noeos, bad, repeat; /* counts of penalised tokens */
} Episode;

typedef struct Batch {
    Episode *episodes; /* owned */
    size_t n, capacity;
    int32_t *tokens; /* owned, all captions' tokens in order */
    double *returns; /* owned; R(t_k) */
    double *logp;    /* owned; as recorded by rollout, NAN where the record has none */
    size_t n_tokens, tokens_capacity, returns_capacity, logp_capacity;
    Spool records;        /* raw records */
    Spool features;       /* encoder output of those records that carry none, once computed: reals */
    size_t *feature_blob; /* owned: index into features + 1; 0: not computed */
    size_t feature_capacity;
} Batch;

/* folder: for what does not fit in memory_limit bytes. */
void batch_init(Batch *b, const char *folder, size_t memory_limit);
void batch_release(Batch *b);
void batch_reset(Batch *b);

/* What of a record is required. */
typedef struct BatchNeeds {
    bool returns;      /* reward.returns, one for each token */
    size_t vocabulary; /* ids must be below it */
    size_t max_tokens;
} BatchNeeds;

/* Takes a record's caption and reward into the batch. False with err set where something is missing or wrong: nothing is added.
 */
MUST_USE bool batch_add(Batch *b, const Record *r, const BatchNeeds *needs, Error *err);

/* Record i again: out is valid until the next spool call, its groups are in the arena. */
MUST_USE bool batch_record(Batch *b, size_t i, Record *out, Arena *arena, Error *err);

#endif
