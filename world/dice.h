/*
 * A run of random draws from the counter-based generator (base/random.h): the n-th draw of (seed, step, key) is always the same,
 * so what is drawn for one scene or one caption never depends on what was drawn for another.
 */
#ifndef WORLD_DICE_H
#define WORLD_DICE_H

#include <stdbool.h>
#include <stdint.h>

typedef struct Dice {
    uint64_t seed, key;
    uint32_t step, next; /* next: the position of the draw to come */
} Dice;

/* Dice at their first draw. */
Dice dice_make(uint64_t seed, uint32_t step, uint64_t key);

/* Uniform in 0..n-1 (n > 0), uniform in [low, high), true with probability p. */
int dice_below(Dice *d, int n);
double dice_between(Dice *d, double low, double high);
bool dice_chance(Dice *d, double p);

/* Puts 0..n-1 into order in random order. */
void dice_shuffle(Dice *d, int *order, int n);

#endif
