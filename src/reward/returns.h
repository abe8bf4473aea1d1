/*
 * From parts to returns (paper, equation 1): R(t_k) = sim + ref - noeos - tail_k, tail_k = bad_k + repeat_k + gamma tail_{k+1}.
 *
 * Every part carries a weight (all 1 in the paper, but clip: 0.3). Parts are recorded unweighted, so that recorded rewards can be
 * combined anew.
 */
#ifndef REWARD_RETURNS_H
#define REWARD_RETURNS_H

#include "base/hash.h"
#include "stream/stream.h"
#include "text/words.h"

typedef struct Weights {
    double sim, clip, ref, noeos, bad, repeat, gamma;
} Weights;

/* One caption's reward. NAN: the part was not computed. */
typedef struct Reward {
    double itm, phi, ref;
    Digest ref_model; /* whose ref it is, where it was not read by the captioner's ids; else "" */
    bool noeos;
    WordMarks marks; /* bad and repeat, one entry for each token */
    Digest caption;  /* of the ids that it is the reward of (stream/made_from.h) */
} Reward;

/* sim = itm + clip phi, of what was computed; 0 where nothing was. */
double reward_sim(const Reward *r, const Weights *w);

/* R(t_k) for each of marks.count tokens. */
void reward_returns(double *out, const Reward *r, const Weights *w);

/* The `reward` group (formats/reward.md). */
void reward_pack(Packer *p, const Reward *r, const Weights *w, Arena *arena);

#endif
