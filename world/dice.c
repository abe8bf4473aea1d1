/* Random draws one after another; see dice.h. */
#include "world/dice.h"

#include "base/random.h"

Dice dice_make(uint64_t seed, uint32_t step, uint64_t key)
{
    return (Dice){.seed = seed, .key = key, .step = step};
}

int dice_below(Dice *d, int n)
{
    return (int)random_below(d->seed, d->step, d->key, d->next++, (uint64_t)n);
}

double dice_between(Dice *d, double low, double high)
{
    return low + (high - low) * random_uniform(d->seed, d->step, d->key, d->next++);
}

bool dice_chance(Dice *d, double p)
{
    return random_uniform(d->seed, d->step, d->key, d->next++) < p;
}

void dice_shuffle(Dice *d, int *order, int n)
{
    for (int i = 0; i < n; i++) {
        int j = dice_below(d, i + 1);
        order[i] = order[j];
        order[j] = i;
    }
}
