/*
 * The truth beside the clips: one JSON line for each shot, in CLIP.jsonl beside CLIP.mp4.
 *
 *   {"clip": "train-7-000012.mp4", "shot": 0, "start": 0.0, "end": 1.125, "scene": {"world": "main", "background": {"colour",
 *    "texture"}, "objects": [{"shape", "colour", "size", "fill", "x", "y", "dx", "dy", "radius", "angle"}], "relations": [[0,
 *    "above", 1], ..], "camera": {"pan": [x, y], "zoom": z}, "look": n}, "short": [..], "long": [..]}
 *
 * start and end are seconds; a shot holds the frames with start <= time < end. short and long are true captions.
 */
#ifndef WORLD_TRUTH_H
#define WORLD_TRUTH_H

#include <jansson.h>

#include "base/base.h"
#include "stream/stream.h"
#include "world/scene.h"

typedef struct Shot {
    char *clip; /* owned by the truth: the file name without folder and extension */
    int number;
    double start, end;
    Scene scene;
} Shot;

typedef struct Truth {
    Shot *shots; /* owned; sorted by clip, then start */
    size_t n, capacity;
} Truth;

/* A shot as a new JSON object, captions included: what the renderer writes. clip is the file name with its extension. */
json_t *shot_json(const char *clip, const Shot *shot, const char *const *shorts, const char *const *longs, int n_captions);

/* Reads every *.jsonl of a folder, or one such file. What is no truth is an error that names file and line. */
MUST_USE bool truth_read(Truth *t, const char *path, Error *err);

/* The shot that holds the frame at `time` seconds of a source (a path or a name; folder and extension do not matter); NULL when
 * there is none. */
const Shot *truth_find(const Truth *t, const char *source, double time);

/* The same from a record's id, "NAME#SECONDS", which may end in "~K" (one of several captions). */
const Shot *truth_find_id(const Truth *t, const char *id);

/* The shot that a record's frame shows: by frame.source and frame.time, else by the id. */
const Shot *truth_find_record(const Truth *t, const Record *r);

/* Frees what it holds. */
void truth_release(Truth *t);

#endif
