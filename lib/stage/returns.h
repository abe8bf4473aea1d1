/*
 * From parts to returns (paper, equation 1): R(t_k) = sim + ref - noeos - tail_k, tail_k = bad_k + repeat_k + gamma tail_{k+1};
 * and beyond the paper, good_k for a token that is wished for and 1 for every token are taken from what tail_k begins with.
 *
 * Every part carries a weight (all 1 in the paper, but clip: 0.3). Parts are recorded unweighted, so that recorded rewards can be
 * combined anew.
 */
#ifndef STAGE_RETURNS_H
#define STAGE_RETURNS_H

#include "base/hash.h"
#include "stage/deferred.h"
#include "text/words.h"

typedef struct Weights {
    double sim, clip, ref, noeos, bad, repeat, good, length, gamma;
} Weights;

/* What is weighed. Of whole captions: sim, ref, noeos; of each token: the others. */
enum { REWARD_SIM, REWARD_REF, REWARD_NOEOS, REWARD_BAD, REWARD_REPEAT, REWARD_GOOD, REWARD_LENGTH, REWARD_PARTS };

/* One caption's reward. NAN: the part was not computed. */
typedef struct Reward {
    double itm, phi, cosine, ref; /* cosine: what phi was standardised from, of this caption and its image */
    Digest ref_model;             /* whose ref it is, where it was not read by the captioner's ids; else "" */
    bool noeos;
    WordMarks marks;          /* bad, repeat and good, one entry for each token */
    double *returns;          /* R(t_k) where they are not the weighted sum of the parts; NULL: they are */
    Digest caption;           /* of the ids that it is the reward of (stream/made_from.h) */
    const Deferred *deferred; /* what is still to come, borrowed; NULL: it is whole */
} Reward;

/* sim = itm + clip phi, of what was computed; 0 where nothing was. */
double reward_sim(const Reward *r, const Weights *w);

/* What a part gives from each token on, unweighted, penalties negative; at the end, what it gives once there is no token:
 * [marks.count + 1]. */
void reward_part(double *out, const Reward *r, const Weights *w, int part);
double reward_weight(const Weights *w, int part);

/* R(t_k) for each of marks.count tokens. */
void reward_returns(double *out, const Reward *r, const Weights *w);

/* The `reward` group (formats/reward.md). */
void reward_pack(Packer *p, const Reward *r, const Weights *w, Arena *arena);

/* The parts of a record's reward that models have computed: itm, phi, cosine, ref, ref_model; the rest is left as it is. */
MUST_USE bool reward_read_parts(Reward *reward, const Record *r, Error *err);

/* What word rules have marked, n tokens, and noeos; marks are in the arena, and do not say which rules fired. */
MUST_USE bool reward_read_marks(Reward *reward, const Record *r, size_t n, Arena *arena, Error *err);

#endif
