/*
 * Seals around the zstd frames we write. zstd's own checksum covers the contents, not the compressed bytes: a flipped window size
 * or padding bit passes. So our frames stand between two skippable frames, which every zstd decoder passes over: the first
 * announces the second, the second has the xxh3-64 of every byte from the first one's beginning up to its own digest.
 */
#ifndef STREAM_SEAL_H
#define STREAM_SEAL_H

#include <stdint.h>

enum {
    SEAL_HEAD = 12,       /* magic, size, "vlrm" */
    SEAL_OPEN_SIZE = 12,  /* magic 0x184D2A56, size 4, "vlrm" */
    SEAL_CLOSE_SIZE = 28, /* magic 0x184D2A57, size 20, "vlrm", 16 hex digits */
};

extern const unsigned char seal_open[SEAL_OPEN_SIZE], seal_close[SEAL_HEAD];

#endif
