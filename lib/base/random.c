/* Philox4x32-10 and what is drawn from it; see random.h. */
#include "base/random.h"

#include <math.h>

void philox(const uint32_t counter[4], const uint32_t key[2], uint32_t out[4])
{
    uint32_t c[4] = {counter[0], counter[1], counter[2], counter[3]}, k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        uint64_t p0 = (uint64_t)0xD2511F53u * c[0], p1 = (uint64_t)0xCD9E8D57u * c[2];
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c[1] ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c[3] ^ k1;
        c[0] = n0;
        c[1] = (uint32_t)p1;
        c[2] = n2;
        c[3] = (uint32_t)p0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    for (int i = 0; i < 4; i++)
        out[i] = c[i];
}

static void draw(uint64_t seed, uint32_t step, uint64_t key, uint32_t position, uint32_t out[4])
{
    const uint32_t counter[4] = {position, step, (uint32_t)key, (uint32_t)(key >> 32)};
    const uint32_t words[2] = {(uint32_t)seed, (uint32_t)(seed >> 32)};
    philox(counter, words, out);
}

uint64_t random_bits(uint64_t seed, uint32_t step, uint64_t key, uint32_t position)
{
    uint32_t r[4];
    draw(seed, step, key, position, r);
    return (uint64_t)r[1] << 32 | r[0];
}

static double unit(uint32_t low, uint32_t high)
{
    return (double)(((uint64_t)high << 32 | low) >> 11) * 0x1p-53;
}

double random_uniform(uint64_t seed, uint32_t step, uint64_t key, uint32_t position)
{
    uint32_t r[4];
    draw(seed, step, key, position, r);
    return unit(r[0], r[1]);
}

double random_normal(uint64_t seed, uint32_t step, uint64_t key, uint32_t position)
{
    uint32_t r[4];
    draw(seed, step, key, position, r);
    return sqrt(-2 * log(1 - unit(r[0], r[1]))) * cos(2 * 3.14159265358979323846 * unit(r[2], r[3]));
}

__extension__ typedef unsigned __int128 Wide;

uint64_t random_below(uint64_t seed, uint32_t step, uint64_t key, uint32_t position, uint64_t n)
{
    return (uint64_t)((Wide)random_bits(seed, step, key, position) * n >> 64);
}
