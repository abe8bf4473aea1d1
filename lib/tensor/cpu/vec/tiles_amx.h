/*
 * Intel AMX: eight tiles of 16 rows x 64 bytes, and tdpbf16ps, which adds the product of two tiles of bf16 to one of f32. Used by
 * matmul_tiles.h; tiles_emulated.h has the same names in plain C. Tiles are named by literal numbers. See Intel's Architecture
 * Instruction Set Extensions Programming Reference, chapter 3.
 */
#ifndef TENSOR_CPU_VEC_TILES_H
#define TENSOR_CPU_VEC_TILES_H

#include <immintrin.h>
#include <stdint.h>

#define TILES_NAME(name) name##_amx

typedef struct TileConfig {
    uint8_t palette, start_row, reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
} TileConfig;

/* All eight tiles at their full size, for this thread; and back. */
static inline void tiles_begin(void)
{
    TileConfig config = {.palette = 1};
    for (int t = 0; t < 8; t++) {
        config.row_bytes[t] = 64;
        config.rows[t] = 16;
    }
    _tile_loadconfig(&config);
}

static inline void tiles_end(void)
{
    _tile_release();
}

/* What was written before must be in memory: the compiler does not see that a tile reads it. */
#define TILE_LOAD(t, p, stride)            \
    do {                                   \
        __asm__ volatile("" ::: "memory"); \
        _tile_loadd(t, p, stride);         \
    } while (0)
#define TILE_STORE(t, p, stride) _tile_stored(t, p, stride)
#define TILE_ZERO(t) _tile_zero(t)
#define TILE_DP(c, a, b) _tile_dpbf16ps(c, a, b)

#endif
