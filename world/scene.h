/*
 * A scene of the miniature world: a background and one to three coloured shapes that move a little while a shot lasts.
 *
 * Scenes are pure functions of (seed, split, index). Splits are disjoint by construction: the scene's content (what is there,
 * not where) is hashed into ten buckets; train takes eight of them, validation and test one each, and a scene of another
 * bucket than its split's is drawn again. The split `other` has the test bucket's contents in a world drawn differently
 * (world/draw.h): other shades, other textures, other outlines for the same words.
 *
 * Coordinates are in units of the frame's side, x to the right, y downwards. Relations hold for the whole shot.
 */
#ifndef WORLD_SCENE_H
#define WORLD_SCENE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hashmap.h"
#include "world/dice.h"

enum {
    SHAPES = 8,
    COLOURS = 9, /* of objects: values 0..8 */
    GROUNDS = 8, /* colours of backgrounds: values COLOURS..HUES-1 */
    HUES = COLOURS + GROUNDS,
    SIZES = 2,
    FILLS = 3,
    TEXTURES = 4,
    OBJECTS_MAX = 3,
    SCENE_BUCKETS = 10,
};

typedef enum Figure { CIRCLE, SQUARE, TRIANGLE, STAR, DIAMOND, CROSS, ARROW, CRESCENT } Figure;
typedef enum Hue {
    RED,
    ORANGE,
    YELLOW,
    GREEN,
    BLUE,
    PURPLE,
    PINK,
    WHITE,
    BLACK, /* objects */
    GREY,
    BEIGE,
    BROWN,
    TEAL,
    NAVY,
    MAROON,
    OLIVE,
    LAVENDER, /* backgrounds */
} Hue;
typedef enum Size { BIG, SMALL } Size;
typedef enum Fill { SOLID, STRIPED, HOLLOW } Fill;
typedef enum Texture { PLAIN, CHECKERED, SPECKLED, WAVY } Texture;
typedef enum Relation { LEFT_OF, RIGHT_OF, ABOVE, BELOW, BESIDE, RELATIONS } Relation;
typedef enum Split { SPLIT_TRAIN, SPLIT_VALIDATION, SPLIT_TEST, SPLIT_OTHER, SPLITS } Split;

/* "train|validation|test|other": choices of an option table, in the order of Split. */
#define SPLIT_CHOICES "train|validation|test|other"

typedef struct Object {
    int shape, colour, size, fill;
    double x, y;   /* centre when the shot begins */
    double dx, dy; /* how far it moves until the shot ends */
    double radius, angle;
} Object;

typedef struct Scene {
    int other;           /* drawn in the unlike world's manner */
    int ground, texture; /* ground: a Hue of backgrounds */
    int n_objects;
    Object objects[OBJECTS_MAX];
    double pan_x, pan_y, zoom; /* what the camera does until the shot ends; zoom 1 is none */
    int64_t look;              /* seeds the texture's details */
} Scene;

/*
 * The scene `index` of a split: always the same for the same arguments. With `seen`, one whose content is not in that set, to
 * which it is added: then no two scenes are the same to a caption. NULL: contents may come again.
 */
Scene scene_draw(uint64_t seed, Split split, uint64_t index, HashMap *seen);

/* "train", "validation", "test", "other". */
const char *split_name(Split split);

/* The bucket of the scene's content, 0..SCENE_BUCKETS-1, and the hash that it comes from. */
uint64_t scene_content(const Scene *s);
int scene_bucket(const Scene *s);

/* Whether a scene of this bucket may stand in the split. */
bool split_takes(Split split, int bucket);

/* Whether object a stands in relation r to object b. BESIDE: left or right of it, at about its height. */
bool scene_relation(const Scene *s, int a, Relation r, int b);

/* Red, green, blue (0..255) of a hue in the main world. */
extern const uint8_t hue_rgb[HUES][3];

#endif
