/*
 * Counter-based randomness: Philox4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011).
 *
 * A draw is a pure function of (seed, step, key, position): no state, so results do not depend on batch size,
 * thread count, shard split or restart. key is usually hash_id(record id), base/hash.h.
 */
#ifndef BASE_RANDOM_H
#define BASE_RANDOM_H

#include <stddef.h>
#include <stdint.h>

/* Four 32-bit words for one 128-bit counter under one 64-bit key. */
void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4]);

/* 64 random bits; stream position `position` of (seed, step, key). step and position count below 2^32. */
uint64_t random_bits(uint64_t seed, uint32_t step, uint64_t key, uint32_t position);

/* Uniform in [0, 1) with 53 bits. */
double random_uniform(uint64_t seed, uint32_t step, uint64_t key, uint32_t position);

/* Standard normal (Box-Muller). */
double random_normal(uint64_t seed, uint32_t step, uint64_t key, uint32_t position);

/* Uniform in 0..n-1, without bias worth speaking of (n < 2^32). n > 0. */
uint64_t random_below(uint64_t seed, uint32_t step, uint64_t key, uint32_t position, uint64_t n);

#endif
