/* Votes on two streams of captions (formats/votes.md): read, told apart by voter and by stream, and counted. */
#ifndef PAGES_VOTES_H
#define PAGES_VOTES_H

#include <jansson.h>

#include "base/base.h"

enum { QUESTIONS = 4, VALUES = 3 }; /* values: a, b, tie */

/* "detail", "truth", "grammar", "preference". */
extern const char *const question_names[QUESTIONS];

typedef struct Counts {
    size_t of[VALUES]; /* votes for a, for b, for neither */
    double low, high;  /* Wilson's interval of the share of a among votes for a or b; level 95 % */
    double alpha;      /* Krippendorff's; NaN where it is not defined: nobody voted on the same frame, or all said the same */
    size_t shared;     /* frames that two voters or more answered */
} Counts;

/* The bounds of Wilson's score interval for k of n (level 95 %); 0 and 1 for none. */
void wilson_interval(double *low, double *high, size_t k, size_t n);

/* Krippendorff's alpha for nominal values: counts[unit][value], units of fewer than two values are skipped. */
double krippendorff_alpha(const size_t (*counts)[VALUES], size_t units);

typedef struct Votes {
    json_t *a, *b;                       /* owned: {"name", "digest"} of the first file */
    json_t *voters;                      /* owned: {voter: file} */
    json_t *places;                      /* owned: {id: place} */
    size_t (*counts[QUESTIONS])[VALUES]; /* owned: by place of the frame */
    size_t frames, capacity;
} Votes;

/* Adds one file. STATUS_MISMATCH where it is of other streams or of another version, STATUS_CORRUPT where it is damaged; a second
 * file of one voter is a failure. */
MUST_USE bool votes_read(Votes *v, const char *path, Error *err);
void votes_release(Votes *v);

/* What they come to, for one question. */
Counts votes_count(const Votes *v, size_t question);

/* All of it as JSON (a new reference). */
json_t *votes_json(const Votes *v);

#endif
