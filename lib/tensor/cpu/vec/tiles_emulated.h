/* The tiles of tiles_amx.h in plain C, so that the loops over them are tested where there is no AMX. */
#ifndef TENSOR_CPU_VEC_TILES_H
#define TENSOR_CPU_VEC_TILES_H

#include <stdint.h>
#include <string.h>

#define TILES_NAME(name) name##_amx_emulated

static _Thread_local uint32_t tile_rows[8][16][16];

static inline void tiles_begin(void)
{
    memset(tile_rows, 0xff, sizeof tile_rows); /* NaN: a tile must be set before it is used */
}

static inline void tiles_end(void)
{
}

static inline void tile_load(int t, const void *p, size_t stride)
{
    for (size_t i = 0; i < 16; i++)
        memcpy(tile_rows[t][i], (const char *)p + i * stride, 64);
}

static inline void tile_store_rows(int t, void *p, size_t stride)
{
    for (size_t i = 0; i < 16; i++)
        memcpy((char *)p + i * stride, tile_rows[t][i], 64);
}

static inline float tile_float(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* c[i][j] += a[i][2p] b[p][2j] + a[i][2p+1] b[p][2j+1], a and b in bf16. */
static inline void tile_dp(int c, int a, int b)
{
    for (int i = 0; i < 16; i++)
        for (int p = 0; p < 16; p++) {
            uint32_t pair = tile_rows[a][i][p];
            for (int j = 0; j < 16; j++) {
                float sum = tile_float(tile_rows[c][i][j]);
                sum += tile_float(pair << 16) * tile_float(tile_rows[b][p][j] << 16);
                sum += tile_float(pair & 0xffff0000u) * tile_float(tile_rows[b][p][j] & 0xffff0000u);
                memcpy(&tile_rows[c][i][j], &sum, sizeof sum);
            }
        }
}

#define TILE_LOAD(t, p, stride) tile_load(t, p, stride)
#define TILE_STORE(t, p, stride) tile_store_rows(t, p, stride)
#define TILE_ZERO(t) memset(tile_rows[t], 0, sizeof tile_rows[t])
#define TILE_DP(c, a, b) tile_dp(c, a, b)

#endif
