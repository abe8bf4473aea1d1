/*
 * One run: the captions of one stream, what each of them was given, and the table of metrics that comes of it.
 *
 * In memory are the texts, one CLIP row for each text and one for each image; never the images themselves.
 */
#ifndef EVAL_RUN_H
#define EVAL_RUN_H

#include <jansson.h>

#include "base/options/options.h"
#include "eval/compared.h"
#include "eval/metrics.h"
#include "eval/models.h"
#include "eval/references.h"
#include "eval/statistics.h"
#include "eval/values.h"

typedef struct Entry { /* one caption */
    char *id, *text;   /* in the run's arena */
    size_t size;       /* of text */
    size_t image;      /* number of its image in the run */
    size_t rank;       /* 0 without a CLIP */
    double values[VALUES];
} Entry;

/* Texts with a CLIP row each and the image they belong to. */
typedef struct Texts {
    real *rows;    /* owned: [n, cols] */
    size_t *image; /* owned: [n] */
    size_t n, row_capacity, image_capacity;
    Places by_text; /* hash of a text to its first place */
} Texts;

typedef struct Run {
    const char *name;
    Entry *entries; /* owned */
    size_t n, capacity;
    size_t *images;       /* owned: [n_images], places in Images */
    char **image_ids;     /* owned array: the least id among the records of each image */
    uint64_t *image_keys; /* owned */
    size_t *image_ranks;  /* owned, after run_rank */
    size_t n_images, image_capacity, id_capacity, key_capacity;
    Places by_key, by_id;
    Texts captions, references;
    Texts prompted, prompted_references;    /* the same texts as CLIPScore reads them */
    size_t *first_reference, *n_references; /* owned: [n_images], places in references */
    size_t first_capacity, count_capacity;
    Compared compared; /* empty unless asked for */
    TextTotals totals, reference_totals;
    json_t *upstream; /* owned: the header of the stream */
    int64_t failed;
    Arena arena;
} Run;

typedef struct RunOptions {
    const Program *program;
    size_t batch;
    bool references, allow_failed, crop, crop_given;
    bool full;                  /* captions are not cut as IC3 cuts them */
    bool compare;               /* word by word with references: every record must have some */
    Images *text_rows, *logits; /* what CLIP made of texts, and ITM of pairs, before; NULL: not kept */
    size_t shard, shards;       /* only records whose number, from 0, is shard modulo shards; 1: all */
    const Chair *chair;         /* NULL: not asked for */
    ReferenceSet *set;          /* theirs, not the frames'; NULL: the frames' */
    const WordRules *rules;
    const WordList *colours;
} RunOptions;

/* Reads streams ("-": stdin) one after the other. False with err, and its status, for input that is not whole. */
MUST_USE bool run_read(Run *run, char **paths, int n, Models *models, Images *images, const RunOptions *options, Error *err);
void run_release(Run *run);

/*
 * The metrics of every image. With a CLIP: ranks, mrr, r@K, rank, i2t.mrr, i2t.r@K, cosine; and, where every caption has them,
 * the others of values.h.
 */
void run_rank(Metrics *out, Run *run, const Images *images, const int64_t *ks, size_t n_ks);

/* Compares captions with references word by word: values_overlap of every entry. frequencies: of run->compared, or others. */
void run_compare(Run *run, const Frequencies *frequencies);

/* As run_rank, recall alone, of the references as if they were captions; over the images that have some. */
void run_rank_references(Metrics *out, Run *run, const Images *images, const int64_t *ks, size_t n_ks);

#endif
