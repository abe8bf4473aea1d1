/*
 * A clip: three to six shots with hard cuts, encoded, and its truth. A pure function of (seed, split, number, format) - and, in a
 * world without twins, of the clips before it.
 */
#ifndef WORLD_CLIP_H
#define WORLD_CLIP_H

#include "base/base.h"
#include "world/scene.h"
#include "world/truth.h"

enum { CLIP_SHOTS_MAX = 6, CLIP_CAPTIONS = 3 };

typedef struct ClipFormat {
    int side;    /* pixels: frames are square */
    int rate;    /* frames per second; a shot lasts 0.75 to 1.5 seconds */
    int quality; /* x264's constant rate factor */
} ClipFormat;

typedef struct Clip {
    uint64_t seed, number;
    Split split;
    int n_shots;
    Shot shots[CLIP_SHOTS_MAX]; /* number, start, end and scene; `clip` stays NULL */
} Clip;

/* What the clip will show; `seen` as for scene_draw. */
Clip clip_plan(uint64_t seed, Split split, uint64_t number, int rate, HashMap *seen);

/* "train-7-000012": the clip's file name without extension; the caller frees it. */
char *clip_name(uint64_t seed, Split split, uint64_t number);

/* Writes FOLDER/NAME.mp4, then FOLDER/NAME.jsonl, each whole or not at all. The format's rate is the plan's. */
MUST_USE bool clip_render(const char *folder, const Clip *clip, const ClipFormat *format, Error *err);

#endif
