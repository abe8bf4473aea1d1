/*
 * One run: the captions of one stream, what each of them was given, and the table of metrics that comes of it.
 *
 * In memory are the texts, one CLIP row for each text and one for each image; never the images themselves.
 */
#ifndef EVAL_RUN_H
#define EVAL_RUN_H

#include <jansson.h>

#include "base/options.h"
#include "eval/metrics.h"
#include "eval/models.h"
#include "eval/statistics.h"

typedef struct Entry { /* one caption */
    char *id, *text;   /* in the run's arena */
    size_t size;       /* of text */
    size_t image;      /* number of its image in the run */
    size_t rank;
    double cosine, itm;   /* itm: NAN without */
    double tokens, noeos; /* NAN where the record does not say */
    TextCounts counts;
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
    TextTotals totals, reference_totals;
    size_t reference_words;
    json_t *upstream; /* owned: the header of the stream */
    int64_t failed;
    Arena arena;
} Run;

typedef struct RunOptions {
    const Program *program;
    size_t batch;
    bool references, allow_failed, crop, crop_given;
    const WordRules *rules;
    const WordList *colours;
} RunOptions;

/* Reads streams ("-": stdin) one after the other. False with err, and its status, for input that is not whole. */
MUST_USE bool run_read(Run *run, char **paths, int n, Models *models, Images *images, const RunOptions *options, Error *err);
void run_release(Run *run);

/*
 * Ranks, and the metrics of every image: mrr, r@K, rank, i2t.mrr, i2t.r@K, clipscore, and, where every caption has them, itm,
 * words, tokens, colours, bad (share of captions with a bad phrase), repeats (share with a repeated word), noeos.
 */
void run_rank(Metrics *out, Run *run, const Images *images, const int64_t *ks, size_t n_ks);

/* The same, recall alone, of the references as if they were captions; over the images that have some. */
void run_rank_references(Metrics *out, Run *run, const Images *images, const int64_t *ks, size_t n_ks);

#endif
