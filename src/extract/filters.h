/*
 * Which frames are not worth keeping, and the perceptual hashes that tell.
 */
#ifndef EXTRACT_FILTERS_H
#define EXTRACT_FILTERS_H

#include "extract/settings.h"
#include "media/image.h"

/* Perceptual hashes of frames, in the order they came. `= {0}` is empty. */
typedef struct Phashes {
    uint64_t *items; /* owned: free() */
    size_t n, capacity;
} Phashes;

/* Adds a hash unless one that is there differs from it in at most `distance` of its 64 bits; whether it was added. */
bool phashes_add(Phashes *seen, uint64_t phash, int64_t distance);

/*
 * Whether the filters that were asked for let a picture pass. Where hashes are wanted, *phash is the picture's (else 0), and
 * without --dedup-all, which judges later, it is compared with those of `seen` and joins them.
 */
bool filters_pass(const FrameSettings *s, const Image *im, Phashes *seen, uint64_t *phash);

#endif
