/*
 * Two recordings of rewards laid side by side, caption by caption: what vlrm-diff compares.
 *
 * A caption takes its id and about 200 bytes, whatever its image and tokens are.
 */
#ifndef TOOLS_COMPARED_H
#define TOOLS_COMPARED_H

#include <jansson.h>

#include "stream/stream.h"

typedef enum Side { SIDE_A, SIDE_B } Side;

/* The numbers that a recording holds of each caption. bad, repeat and good: how many tokens are marked. */
enum { PART_ITM, PART_PHI, PART_SIM, PART_REF, PART_NOEOS, PART_BAD, PART_REPEAT, PART_GOOD, PART_RETURN, PARTS };

const char *part_name(int part); /* "itm", .. "return" */

typedef struct ComparedRow {
    const char *id; /* in the arena */
    size_t id_size;
    bool there[2];
    double parts[2][PARTS];                          /* NAN: not recorded. return: R(t_1) */
    uint64_t bad[2], repeat[2], returns[2], said[2]; /* hashes of the marks, of all returns, of the tokens (or else the text) */
    size_t rank[2];                                  /* 1 is the highest return; set by difference_find */
} ComparedRow;

typedef struct Compared {
    double tolerance;
    json_t *headers[2];               /* owned; NULL where nothing was read */
    ComparedRow *items;               /* owned, in order of appearance */
    size_t count, capacity, alone[2]; /* alone: set by difference_find */
    uint32_t *slots;                  /* owned: hash table of 1 + index; 0 is free */
    size_t n_slots;
    Arena arena;
} Compared;

/* Takes one record. False with the reason: no reward, a part of another type, an id that came before. */
MUST_USE bool compared_add(Compared *c, Side side, const Record *r, Arena *scratch, Error *err);
void compared_release(Compared *c);

/* One part over the captions that have it on both sides. std is that of a sample (n - 1). */
typedef struct PartSummary {
    size_t n, changed; /* changed: beyond tolerance, other marks, or recorded on one side alone */
    double mean[2], std[2];
} PartSummary;

typedef struct Difference {
    bool equal;
    size_t both, captions_changed;
    PartSummary parts[PARTS];
    size_t ranked;           /* captions with a return on both sides */
    uint64_t pairs, swapped; /* pairs of those, and pairs strictly the other way round in B */
    double tau;              /* Kendall's tau-b; NAN when one side has no order */
    ComparedRow **moves;     /* owned: captions whose rank changed, those that moved most first */
    size_t n_moves;
} Difference;

/* Compares what was read; c->alone and the ranks are filled in. */
void difference_find(Difference *d, Compared *c);
void difference_release(Difference *d);

#endif
