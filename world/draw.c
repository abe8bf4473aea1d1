/* Frames of scenes; see draw.h. A pixel is the background's colour with each object laid over it by coverage. */
#include "world/draw.h"

#include <math.h>

#include "base/random.h"
#include "world/shapes.h"

typedef struct Colour {
    double c[3]; /* red, green, blue: 0..255 */
} Colour;

/* From a pixel's centre to the scene's coordinates at this moment. */
typedef struct View {
    double scale, x, y, pixel; /* scene = (x, y) + scale * pixel index; pixel: the width of one in the scene */
} View;

static View view_at(const Scene *s, double moment, int side)
{
    double zoom = 1 + (s->zoom - 1) * moment, pixel = 1 / (side * zoom), edge = 0.5 - 0.5 / zoom + 0.5 * pixel;
    return (View){pixel, edge + s->pan_x * moment, edge + s->pan_y * moment, pixel};
}

static double unit(double v)
{
    return fmin(fmax(v, 0), 1);
}

static Colour mix(Colour a, Colour b, double share)
{
    for (int k = 0; k < 3; k++)
        a.c[k] += (b.c[k] - a.c[k]) * share;
    return a;
}

static Colour hue_colour(int hue, bool other)
{
    Colour c = {{hue_rgb[hue][0], hue_rgb[hue][1], hue_rgb[hue][2]}}, grey = {{128, 128, 128}};
    return other ? mix(c, grey, 0.16) : c;
}

/* ---- background: how much of the second shade, 0..1, is at a place ---- */

/* A square wave of x with period 1, its edges softened over `soft` periods. */
static double wave(double x, double soft)
{
    double from_edge = 0.25 - fabs(x - floor(x) - 0.5);
    return unit(0.5 + from_edge / soft);
}

static double checkered_at(double x, double y, double period, double pixel)
{
    double a = 2 * wave(x / period, pixel / period) - 1, b = 2 * wave(y / period, pixel / period) - 1;
    return 0.5 + 0.5 * a * b;
}

/* One dot in each cell of a grid, off its middle by an amount of its own. */
static double speckled_at(double x, double y, double cell, double pixel, int64_t look)
{
    double i = floor(x / cell), j = floor(y / cell), nearest = INFINITY;
    uint64_t key = (uint64_t)((int64_t)i * 4096 + (int64_t)j);
    double dot_x = (i + 0.3 + 0.4 * random_uniform((uint64_t)look, 0, key, 0)) * cell;
    double dot_y = (j + 0.3 + 0.4 * random_uniform((uint64_t)look, 0, key, 1)) * cell;
    nearest = hypot(x - dot_x, y - dot_y);
    return unit(0.5 + (0.27 * cell - nearest) / pixel);
}

static double wavy_at(double x, double y, double period, double pixel)
{
    return wave((y + 0.03 * sin(x * 2 * M_PI / 0.33)) / period, pixel / period);
}

static double texture_at(const Scene *s, double x, double y, double pixel)
{
    double shift = (double)(s->look % 1000) / 1000, scale = s->other ? 1.45 : 1;
    if (s->other) { /* turned by an eighth */
        double turned = (x + y) * M_SQRT1_2;
        y = (y - x) * M_SQRT1_2;
        x = turned;
    }
    switch (s->texture) {
    case CHECKERED:
        return checkered_at(x + shift, y + 0.7 * shift, 0.25 * scale, pixel);
    case SPECKLED:
        return speckled_at(x + shift, y, 0.1 * scale, pixel, s->look);
    case WAVY:
        return wavy_at(x + shift, y + shift, 0.14 * scale, pixel);
    default:
        return 0;
    }
}

/* The second shade of a background: lighter when it is dark, darker when it is light. */
static Colour second_shade(Colour c)
{
    double light = 0.3 * c.c[0] + 0.6 * c.c[1] + 0.1 * c.c[2];
    Colour towards = light < 125 ? (Colour){{255, 255, 255}} : (Colour){{0, 0, 0}};
    return mix(c, towards, 0.2);
}

/* ---- objects ---- */

/* How much of the pixel at (x, y), in the object's own coordinates, is painted. pixel is in the same units. */
static double object_coverage(const Object *o, bool other, double x, double y, double pixel)
{
    double distance = shape_distance(o->shape, other, x, y), inside = unit(0.5 - distance / pixel);
    if (o->fill == SOLID || inside == 0)
        return inside;
    double line = o->fill == HOLLOW ? (o->size == BIG ? 0.2 : 0.28) : 0.1;
    double stroke = unit(0.5 + (distance + line) / pixel);
    if (o->fill == HOLLOW)
        return inside * stroke;
    double period = (o->size == BIG ? 0.46 : 0.66) * (other ? 1.2 : 1);
    return inside * fmax(stroke, wave((other ? x : y) / period + 0.5, pixel / period));
}

static void object_paint(uint8_t *rgb, const Scene *s, const Object *o, double moment, const View *view, int side)
{
    double cx = o->x + o->dx * moment, cy = o->y + o->dy * moment, reach = o->radius * 1.5;
    double cosine = cos(o->angle) / o->radius, sine = sin(o->angle) / o->radius;
    Colour paint = hue_colour(o->colour, s->other);
    int left = (int)fmax(0, floor((cx - reach - view->x) / view->scale)),
        top = (int)fmax(0, floor((cy - reach - view->y) / view->scale));
    int right = (int)fmin(side, ceil((cx + reach - view->x) / view->scale)),
        bottom = (int)fmin(side, ceil((cy + reach - view->y) / view->scale));
    for (int j = top; j < bottom; j++)
        for (int i = left; i < right; i++) {
            double x = view->x + i * view->scale - cx, y = view->y + j * view->scale - cy;
            double share = object_coverage(o, s->other, cosine * x + sine * y, cosine * y - sine * x, view->pixel / o->radius);
            uint8_t *p = rgb + 3 * (j * side + i);
            for (int k = 0; k < 3 && share > 0; k++)
                p[k] = (uint8_t)lrint(p[k] + (paint.c[k] - p[k]) * share);
        }
}

static void ground_paint(uint8_t *rgb, const Scene *s, const View *view, int side)
{
    Colour first = hue_colour(s->ground, s->other), second = second_shade(first), dark = {{0, 0, 0}};
    for (int j = 0; j < side; j++)
        for (int i = 0; i < side; i++) {
            double x = view->x + i * view->scale, y = view->y + j * view->scale;
            Colour c = mix(first, second, texture_at(s, x, y, view->pixel));
            if (s->other)
                c = mix(c, dark, 0.22 * unit((x + y) / 2));
            for (int k = 0; k < 3; k++)
                rgb[3 * (j * side + i) + k] = (uint8_t)lrint(c.c[k]);
        }
}

void scene_paint(uint8_t *rgb, const Scene *s, double moment, int side)
{
    View view = view_at(s, moment, side);
    ground_paint(rgb, s, &view, side);
    for (int i = 0; i < s->n_objects; i++)
        object_paint(rgb, s, &s->objects[i], moment, &view, side);
}

void scene_place(const Scene *s, const Object *o, double moment, double *x, double *y)
{
    View view = view_at(s, moment, 1);
    *x = (o->x + o->dx * moment - view.x) / view.scale + 0.5;
    *y = (o->y + o->dy * moment - view.y) / view.scale + 0.5;
}
