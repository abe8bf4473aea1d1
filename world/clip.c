/* Clips of the world; see clip.h. */
#include "world/clip.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "media/video_write.h"
#include "world/draw.h"
#include "world/language.h"

char *clip_name(uint64_t seed, Split split, uint64_t number)
{
    return xasprintf("%s-%llu-%06llu", split_name(split), (unsigned long long)seed, (unsigned long long)number);
}

/* Draws about a clip that are no scene's: a key of its own for each purpose. */
static Dice clip_dice(const char *purpose, uint64_t seed, Split split, uint64_t number)
{
    char *name = clip_name(seed, split, number), *id = xasprintf("%s %s", purpose, name);
    Dice d = dice_make(seed, 0, hash_id(id, strlen(id)));
    free(id);
    free(name);
    return d;
}

Clip clip_plan(uint64_t seed, Split split, uint64_t number, int rate, HashMap *seen)
{
    Dice d = clip_dice("shots", seed, split, number);
    Clip clip = {.seed = seed, .number = number, .split = split, .n_shots = 3 + dice_below(&d, CLIP_SHOTS_MAX - 2)};
    int64_t frame = 0;
    for (int i = 0; i < clip.n_shots; i++) {
        double start = (double)frame / rate;
        frame += (int64_t)fmax(1, lrint(rate * dice_between(&d, 0.75, 1.5)));
        clip.shots[i] = (Shot){.number = i,
                               .start = start,
                               .end = (double)frame / rate,
                               .scene = scene_draw(seed, split, number * CLIP_SHOTS_MAX + (uint64_t)i, seen)};
    }
    return clip;
}

static bool shot_encode(VideoWriter *w, uint8_t *rgb, const Shot *shot, const ClipFormat *format, Error *err)
{
    int frames = (int)lrint((shot->end - shot->start) * format->rate);
    bool ok = true;
    for (int i = 0; i < frames && ok; i++) {
        scene_paint(rgb, &shot->scene, (double)i / frames, format->side);
        ok = video_writer_frame(w, rgb, i == 0, err);
    }
    return ok;
}

static bool video_write(const char *path, const Shot *shots, int n, const ClipFormat *format, Error *err)
{
    VideoSettings settings = {format->side, format->side, format->rate, format->quality};
    VideoWriter *w = video_writer_new(&settings, err);
    uint8_t *rgb = xmalloc((size_t)format->side * (size_t)format->side * 3), *data = NULL; /* rgb [side, side, 3] */
    size_t size = 0;
    bool ok = w != NULL;
    for (int i = 0; i < n && ok; i++)
        ok = shot_encode(w, rgb, &shots[i], format, err);
    ok = ok && video_writer_take(w, &data, &size, err) && file_write(path, data, size, err);
    video_writer_free(w);
    free(rgb);
    free(data);
    return ok;
}

static void truth_line(FILE *out, const char *clip, const Shot *shot, Dice *d)
{
    const char *shorts[CLIP_CAPTIONS], *longs[CLIP_CAPTIONS];
    char text[2][CLIP_CAPTIONS][CAPTION_MAX];
    for (int i = 0; i < CLIP_CAPTIONS; i++) {
        caption_write(text[0][i], &shot->scene, &plan_short, d);
        caption_write(text[1][i], &shot->scene, &plan_long, d);
        shorts[i] = text[0][i];
        longs[i] = text[1][i];
    }
    json_t *json = shot_json(clip, shot, shorts, longs, CLIP_CAPTIONS);
    json_dumpf(json, out, JSON_COMPACT | JSON_REAL_PRECISION(6));
    fputc('\n', out);
    json_decref(json);
}

static bool truth_write(const char *path, const char *clip, const Shot *shots, int n, Dice *d, Error *err)
{
    AtomicFile f;
    if (!atomic_open(&f, path, err))
        return false;
    for (int i = 0; i < n; i++)
        truth_line(f.stream, clip, &shots[i], d);
    return atomic_commit(&f, err);
}

bool clip_render(const char *folder, const Clip *clip, const ClipFormat *format, Error *err)
{
    char *name = clip_name(clip->seed, clip->split, clip->number), *base = path_join(folder, name);
    char *file = xasprintf("%s.mp4", name), *video = xasprintf("%s.mp4", base), *truth = xasprintf("%s.jsonl", base);
    Dice d = clip_dice("captions", clip->seed, clip->split, clip->number);
    bool ok = video_write(video, clip->shots, clip->n_shots, format, err) &&
              truth_write(truth, file, clip->shots, clip->n_shots, &d, err);
    free(name);
    free(base);
    free(file);
    free(video);
    free(truth);
    return ok;
}
