/* Scenes drawn from the dice; see scene.h. What they look like is draw.c's matter. */
#include "world/scene.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/hash.h"
#include "base/msg.h"

/* Two centres stand in a relation along an axis when they are RELATION_LEAST apart; no pair is ever between NEAR and FAR, so
 * that no relation is a matter of opinion. One axis at least has to be FAR. */
static const double RELATION_LEAST = 0.15, NEAR = 0.10, FAR = 0.20;

const uint8_t hue_rgb[HUES][3] = {
    [RED] = {225, 30, 35},        [ORANGE] = {250, 135, 15}, [YELLOW] = {250, 230, 45}, [GREEN] = {35, 190, 60},
    [BLUE] = {40, 95, 240},       [PURPLE] = {165, 50, 225}, [PINK] = {255, 130, 195},  [WHITE] = {250, 250, 250},
    [BLACK] = {12, 12, 12},       [GREY] = {128, 128, 128},  [BEIGE] = {205, 180, 135}, [BROWN] = {110, 70, 40},
    [TEAL] = {0, 110, 110},       [NAVY] = {20, 30, 90},     [MAROON] = {110, 15, 40},  [OLIVE] = {110, 110, 30},
    [LAVENDER] = {185, 170, 225},
};

const char *split_name(Split split)
{
    static const char *const names[SPLITS] = {"train", "validation", "test", "other"};
    return names[split];
}

/* ---- content ---- */

static int object_code(const Object *o)
{
    return ((o->shape * COLOURS + o->colour) * SIZES + o->size) * FILLS + o->fill;
}

uint64_t scene_content(const Scene *s)
{
    int codes[OBJECTS_MAX];
    for (int i = 0; i < s->n_objects; i++) {
        int code = object_code(&s->objects[i]), j = i;
        for (; j > 0 && codes[j - 1] > code; j--)
            codes[j] = codes[j - 1];
        codes[j] = code;
    }
    uint8_t bytes[2 + 2 * OBJECTS_MAX] = {(uint8_t)s->ground, (uint8_t)s->texture};
    for (int i = 0; i < s->n_objects; i++) {
        bytes[2 + 2 * i] = (uint8_t)(codes[i] >> 8);
        bytes[3 + 2 * i] = (uint8_t)codes[i];
    }
    return hash_id(bytes, 2 + 2 * (size_t)s->n_objects);
}

int scene_bucket(const Scene *s)
{
    return (int)(scene_content(s) % SCENE_BUCKETS);
}

bool split_takes(Split split, int bucket)
{
    switch (split) {
    case SPLIT_TRAIN:
        return bucket < SCENE_BUCKETS - 2;
    case SPLIT_VALIDATION:
        return bucket == SCENE_BUCKETS - 2;
    default:
        return bucket == SCENE_BUCKETS - 1;
    }
}

/* Whether an object of this colour can be told from the background: black on navy cannot. */
static bool hues_differ(int a, int b)
{
    double sum = 0;
    for (int c = 0; c < 3; c++)
        sum += (hue_rgb[a][c] - hue_rgb[b][c]) * (hue_rgb[a][c] - hue_rgb[b][c]);
    return sqrt(sum) > 105;
}

/* No two objects are wholly alike, and no shape comes three times: each has two nouns. */
static bool object_is_new(const Scene *s, const Object *o)
{
    int same_shape = 0;
    for (int i = 0; i < s->n_objects; i++) {
        if (object_code(&s->objects[i]) == object_code(o))
            return false;
        same_shape += s->objects[i].shape == o->shape;
    }
    return same_shape < 2;
}

static void content_draw(Scene *s, Dice *d)
{
    s->ground = COLOURS + dice_below(d, GROUNDS);
    s->texture = dice_below(d, TEXTURES);
    s->look = dice_below(d, 1 << 30);
    double n = dice_between(d, 0, 1);
    int wanted = n < 0.30 ? 1 : n < 0.75 ? 2 : 3;
    while (s->n_objects < wanted) {
        Object o = {.shape = dice_below(d, SHAPES),
                    .colour = dice_below(d, COLOURS),
                    .size = dice_below(d, SIZES),
                    .fill = dice_below(d, FILLS)};
        if (hues_differ(o.colour, s->ground) && object_is_new(s, &o))
            s->objects[s->n_objects++] = o;
    }
}

/* ---- places ---- */

/* Along one axis, at the beginning and at the end: clearly together, or clearly apart and the same way round. */
static bool axis_clear(double begin, double end, bool *apart)
{
    *apart = fabs(begin) >= FAR && fabs(end) >= FAR && (begin > 0) == (end > 0);
    return *apart || (fabs(begin) <= NEAR && fabs(end) <= NEAR);
}

static bool pair_clear(const Object *a, const Object *b)
{
    double x0 = b->x - a->x, y0 = b->y - a->y, x1 = x0 + b->dx - a->dx, y1 = y0 + b->dy - a->dy;
    double room = a->radius + b->radius + 0.03;
    bool apart_x, apart_y;
    return axis_clear(x0, x1, &apart_x) && axis_clear(y0, y1, &apart_y) && (apart_x || apart_y) && hypot(x0, y0) >= room &&
           hypot(x1, y1) >= room;
}

static void place_draw(Object *o, bool other, Dice *d)
{
    o->radius = o->size == BIG ? dice_between(d, 0.190, 0.210) : dice_between(d, 0.110, 0.125);
    double edge = o->radius + 0.05;
    o->x = dice_between(d, edge, 1 - edge);
    o->y = dice_between(d, edge, 1 - edge);
    o->dx = dice_between(d, -0.05, 0.05);
    o->dy = dice_between(d, -0.05, 0.05);
    o->angle = dice_between(d, -1, 1) * (other ? 0.20 : 0.08);
}

static bool places_draw(Scene *s, Dice *d)
{
    for (int i = 0; i < s->n_objects; i++) {
        bool clear = false;
        for (int attempt = 0; attempt < 40 && !clear; attempt++) {
            place_draw(&s->objects[i], s->other, d);
            clear = true;
            for (int j = 0; j < i && clear; j++)
                clear = pair_clear(&s->objects[j], &s->objects[i]);
        }
        if (!clear)
            return false;
    }
    return true;
}

static void camera_draw(Scene *s, Dice *d)
{
    s->pan_x = dice_between(d, -0.03, 0.03);
    s->pan_y = dice_between(d, -0.03, 0.03);
    s->zoom = dice_chance(d, 0.5) ? 1 : dice_between(d, 1, 1.06);
}

Scene scene_draw(uint64_t seed, Split split, uint64_t index, HashMap *seen)
{
    char id[64];
    int n = snprintf(id, sizeof id, "scene %s %llu", split_name(split), (unsigned long long)index);
    uint64_t key = hash_id(id, (size_t)n);
    for (uint32_t attempt = 0; attempt < 100000; attempt++) {
        Dice d = dice_make(seed, attempt, key);
        Scene s = {.other = split == SPLIT_OTHER};
        content_draw(&s, &d);
        if (!split_takes(split, scene_bucket(&s)) || !places_draw(&s, &d) || (seen && !hashmap_add(seen, scene_content(&s))))
            continue;
        camera_draw(&s, &d);
        return s;
    }
    bug("no scene found for seed %llu, %s", (unsigned long long)seed, id);
}

bool scene_relation(const Scene *s, int a, Relation r, int b)
{
    double x = s->objects[a].x - s->objects[b].x, y = s->objects[a].y - s->objects[b].y;
    switch (r) {
    case LEFT_OF:
        return x <= -RELATION_LEAST;
    case RIGHT_OF:
        return x >= RELATION_LEAST;
    case ABOVE:
        return y <= -RELATION_LEAST;
    case BELOW:
        return y >= RELATION_LEAST;
    default:
        return fabs(x) >= RELATION_LEAST && fabs(y) < RELATION_LEAST;
    }
}
