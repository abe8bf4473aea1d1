/*
 * Captions that a run was rewarded for, as many as memory is to hold: where more come, those stay whose ids have hashes that end
 * in enough zeros, so the sample is the same whatever the order, and of every step the same share.
 */
#ifndef RADAR_SAMPLE_H
#define RADAR_SAMPLE_H

#include "stream/stream.h"

typedef struct Said {
    uint64_t key; /* hash of id and step */
    uint64_t id;  /* hash of the id */
    char *text;   /* owned */
    int64_t step;
    double reward; /* the return of its first token */
    double cosine; /* under the CLIP that judges; NaN until known */
    size_t words;
    bool explained; /* a finding stands in it */
} Said;

typedef struct Sample {
    Said *items; /* owned */
    size_t count, capacity, most;
    uint64_t mask;          /* keys that share a bit with it are left out */
    uint64_t seen, without; /* captions read; of them without a step or a reward */
} Sample;

/* Adds a record's caption. Records without a caption, a step or a reward are counted and skipped. */
void sample_add(Sample *s, const Record *r);

/* Gives the captions of an id the cosine that vlrm-eval --per-image measured; unknown ids are skipped. sample_sort comes
 * first. */
void sample_judge(Sample *s, const Record *r);

/* Sorts by id, for sample_judge. */
void sample_sort(Sample *s);

/* Leaves out those that were not judged; returns how many. */
size_t sample_drop_unjudged(Sample *s);
void sample_release(Sample *s);

#endif
