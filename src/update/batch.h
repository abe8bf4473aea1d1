/*
 * One batch as the learner sees it: tokens and returns in memory, whole records in the spool.
 */
#ifndef UPDATE_BATCH_H
#define UPDATE_BATCH_H

#include "base/hashmap.h"
#include "stage/spool.h"
#include "stream/stream.h"

/* One caption to learn from. */
typedef struct Episode {
    size_t record;   /* blob of the spool */
    size_t first, n; /* its tokens in the batch's arrays */
    size_t group;    /* index into the batch's groups */
    uint64_t image;  /* hash of what the record has of the image: equal for the same picture */
    bool eos;
    double sim, ref, itm, phi;  /* reward parts; NAN where the record has none */
    double words;               /* of the text, between white space; NAN where there is none */
    int64_t noeos, bad, repeat; /* counts of penalised tokens */
} Episode;

/* Captions that are compared with each other (stage/groups.h). */
typedef struct CaptionGroup {
    const char *name;            /* in the batch's arena */
    uint64_t hash;               /* of the name */
    int64_t members, size, lost; /* captions here; made, if that is said, else 0; of those made, missing here */
    double greedy;               /* R(t_1) of the greedy caption; NAN where there is none */
} CaptionGroup;

typedef struct Batch {
    Episode *episodes; /* owned */
    size_t n, capacity;
    size_t own_first, own_end; /* the captions whose gradients are computed here: all, but where ranks share a batch */
    int32_t *tokens;           /* owned, all captions' tokens in order */
    double *returns;           /* owned; R(t_k) */
    double *logp;              /* owned; as recorded by rollout, NAN where the record has none */
    size_t n_tokens, tokens_capacity, returns_capacity, logp_capacity;
    CaptionGroup *groups; /* owned, in the order in which they began */
    size_t n_groups, groups_capacity;
    HashMap group_of;     /* hash of a name to index into groups + 1 */
    Arena names;          /* of groups */
    Spool records;        /* raw records, those of greedy captions among them */
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

/* Takes a record's caption and reward into the batch; of a greedy caption only its return, for its group. False with err set
 * where something is missing or wrong: nothing is added. */
MUST_USE bool batch_add(Batch *b, const Record *r, const BatchNeeds *needs, Error *err);

/* Once all are added: how many captions each group lacks. Returns how many groups lack any. */
size_t batch_count_lost(Batch *b);

/* Whether caption i shows the picture that the caption before it shows: a pass computes what is of the image once. */
bool batch_same_image(const Batch *b, size_t i);

/* How many pictures captions [first, first + n) show, neighbours of the same one counted once. */
size_t batch_images(const Batch *b, size_t first, size_t n);

/* The record of caption i again: out is valid until the next spool call, its groups are in the arena. */
MUST_USE bool batch_record(Batch *b, size_t i, Record *out, Arena *arena, Error *err);

/* Blob i of the records, in the order in which they were added. */
MUST_USE bool batch_blob(Batch *b, size_t i, Record *out, Arena *arena, Error *err);

#endif
