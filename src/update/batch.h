/*
 * One batch as the learner sees it: tokens and returns in memory, whole records in the spool.
 */
#ifndef UPDATE_BATCH_H
#define UPDATE_BATCH_H

#include "base/hashmap.h"
#include "models/captioner.h"
#include "stage/spool.h"
#include "stream/stream.h"
#include "update/parts.h"
#include "update/whole.h"

/* One caption to learn from. */
typedef struct Episode {
    size_t record;   /* blob of the spool */
    size_t first, n; /* its tokens in the batch's arrays */
    size_t group;    /* index into the batch's groups */
    uint64_t image;  /* hash of what the record has of the image: equal for the same picture */
    TileGrid grid;   /* how the picture is cut */
    bool eos;
    double sim, ref, itm, phi;  /* reward parts; NAN where the record has none */
    double words;               /* of the text, between white space; NAN where there is none */
    int64_t noeos, bad, repeat; /* counts of penalised tokens */
} Episode;

/* `record` of a caption whose record is at another rank. */
#define RECORD_ELSEWHERE SIZE_MAX

/* One record of the batch, in their order: a caption to learn from, or a greedy one. */
typedef struct BatchEntry {
    uint64_t id;   /* hash of its id */
    size_t group;  /* index into the batch's groups */
    double greedy; /* R(t_1) of a greedy caption; NAN: it is one to learn from */
    size_t record; /* blob of the spool of the rank that has read it */
    size_t reader; /* that rank */
    bool learned;  /* it is a caption to learn from: the next of the batch's episodes */
} BatchEntry;

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
    BatchEntry *entries; /* owned: those of all ranks, once they have shared it */
    size_t n_entries, entries_capacity;
    HashMap ids;          /* of entries, as a set */
    CaptionGroup *groups; /* owned, in the order in which they began */
    size_t n_groups, groups_capacity;
    HashMap group_of;     /* hash of a name to index into groups + 1 */
    Arena names;          /* of groups */
    Spool records;        /* raw records, those of greedy captions among them */
    Spool features;       /* encoder output of those records that carry none, once computed: reals */
    size_t *feature_blob; /* owned: index into features + 1; 0: not computed */
    size_t feature_capacity;
    RewardParts parts;  /* of the reward, that are only watched */
    WholeRewards whole; /* of entries, where rewards are still to be completed */
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
    const Captioner *captioner; /* borrowed: by whom pictures are cut */
    const json_t *header;       /* of the input, borrowed: how rewards are completed that are not whole */
} BatchNeeds;

/* Takes a record's caption and reward into the batch; of a greedy caption only its return, for its group. False with err set
 * where something is missing or wrong: nothing is added. */
MUST_USE bool batch_add(Batch *b, const Record *r, const BatchNeeds *needs, Error *err);

/* Completes rewards that are of the whole batch, once all of it is here: returns, and what episodes say of parts. */
void batch_complete(Batch *b, const Kernels *kernels);

/* Whether a record of this id is in the batch. */
bool batch_has(const Batch *b, const void *id, size_t size);

/* The index of the group of this name, which is made where it is new; it has at least `made` captions. */
size_t batch_group(Batch *b, Slice name, int64_t made);

/* Adds a caption whose tokens, returns and recorded log-probabilities (NULL: none) these are; first is set. */
void batch_append(Batch *b, const Episode *e, const int32_t *tokens, const double *returns, const double *logp);

/* Adds an entry as it is. */
void batch_append_entry(Batch *b, const BatchEntry *entry);

/* Forgets what was added but for the records themselves, which are in the spool. */
void batch_forget(Batch *b);

/* Once all are added: how many captions each group lacks; warns where any does. index: of the batch in the input. */
void batch_say_lost(Batch *b, int64_t index);

/* Whether caption i shows the picture that the caption before it shows: a pass computes what is of the image once. */
bool batch_same_image(const Batch *b, size_t i);

/* How many pictures captions [first, first + n) show, neighbours of the same one counted once. */
size_t batch_images(const Batch *b, size_t first, size_t n);

/* The grids of these pictures, into out [batch_images] (NULL: nowhere); returns how many images, tiles and wholes, they are. */
size_t batch_grids(const Batch *b, size_t first, size_t n, TileGrid *out);

/* The record of caption i again: out is valid until the next spool call, its groups are in the arena. */
MUST_USE bool batch_record(Batch *b, size_t i, Record *out, Arena *arena, Error *err);

/* Blob i of the records. */
MUST_USE bool batch_blob(Batch *b, size_t i, Record *out, Arena *arena, Error *err);

#endif
