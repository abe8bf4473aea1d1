/*
 * Parts of the reward that vlrm-update does not use: every number of reward.parts but itm and phi, by name, for each caption of a
 * batch. The cosine is among them, and what somebody's own program has put there; metrics tell how they fare.
 */
#ifndef UPDATE_PARTS_H
#define UPDATE_PARTS_H

#include <jansson.h>

#include "stream/stream.h"

enum {
    PARTS_MOST = 32,
    PART_NAME = 48
}; /* names in metrics, and their bytes with a 0; others are left out, which is said once */

/* One number of one caption: bytes that ranks can exchange. */
typedef struct PartValue {
    size_t entry; /* the caption's, of the batch's entries */
    double value;
    char name[PART_NAME];
} PartValue;

typedef struct RewardParts {
    PartValue *values; /* owned: [capacity], in the order of captions */
    size_t n, capacity;
} RewardParts;

/* Empty again. */
void reward_parts_release(RewardParts *p);

/* Takes what the record's reward has; entry: where its caption stands. */
void reward_parts_add(RewardParts *p, const Record *r, size_t entry);

/* Takes one number as it is. */
void reward_parts_append(RewardParts *p, const PartValue *value);

/* {"name": {"mean", "std"}}, over the captions that have it; NULL where there is none. A new reference. */
json_t *reward_parts_json(const RewardParts *p);

#endif
