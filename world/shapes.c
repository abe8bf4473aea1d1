/* Signed distances to the world's outlines; see shapes.h. All are polygons but circle and crescent. */
#include "world/shapes.h"

#include <math.h>
#include <stddef.h>

#include "world/scene.h"

typedef struct Point {
    double x, y;
} Point;

typedef struct Polygon {
    const Point *points;
    size_t n;
} Polygon;

#define POLYGON(p) ((Polygon){p, sizeof(p) / sizeof *(p)})

static const Point square[] = {{-.82, -.82}, {.82, -.82}, {.82, .82}, {-.82, .82}};
static const Point box[] = {{-.98, -.62}, {.98, -.62}, {.98, .62}, {-.98, .62}};
static const Point triangle[] = {{0, -.95}, {.98, .78}, {-.98, .78}};
static const Point wedge[] = {{0, .95}, {-.98, -.78}, {.98, -.78}};
static const Point diamond[] = {{0, -1.05}, {.78, 0}, {0, 1.05}, {-.78, 0}};
static const Point lozenge[] = {{0, -.66}, {1.08, 0}, {0, .66}, {-1.08, 0}};
static const Point cross[] = {{-.36, -1}, {.36, -1}, {.36, -.36}, {1, -.36}, {1, .36},   {.36, .36},
                              {.36, 1},   {-.36, 1}, {-.36, .36}, {-1, .36}, {-1, -.36}, {-.36, -.36}};
static const Point arrow[] = {{1.05, 0}, {.1, .95}, {.1, .4}, {-1, .4}, {-1, -.4}, {.1, -.4}, {.1, -.95}};
static const Point pointer[] = {{-1.05, 0}, {-.1, -.95}, {-.1, -.4}, {1, -.4}, {1, .4}, {-.1, .4}, {-.1, .95}};
/* radius 1.08 and 0.50 in turn, the first point upwards */
static const Point star[] = {{0, -1.08}, {.294, -.405}, {1.027, -.334}, {.476, .155},    {.635, .874},
                             {0, .5},    {-.635, .874}, {-.476, .155},  {-1.027, -.334}, {-.294, -.405}};
/* radius 1.05 and 0.60 in turn */
static const Point star_of_six[] = {{0, -1.05}, {.3, -.52}, {.909, -.525}, {.6, 0},  {.909, .525},   {.3, .52},
                                    {0, 1.05},  {-.3, .52}, {-.909, .525}, {-.6, 0}, {-.909, -.525}, {-.3, -.52}};

static Polygon polygon_get(int shape, bool other)
{
    switch (shape) {
    case SQUARE:
        return other ? POLYGON(box) : POLYGON(square);
    case TRIANGLE:
        return other ? POLYGON(wedge) : POLYGON(triangle);
    case STAR:
        return other ? POLYGON(star_of_six) : POLYGON(star);
    case DIAMOND:
        return other ? POLYGON(lozenge) : POLYGON(diamond);
    case CROSS:
        return POLYGON(cross);
    default:
        return other ? POLYGON(pointer) : POLYGON(arrow);
    }
}

static double segment_distance(Point a, Point b, double x, double y)
{
    double ex = b.x - a.x, ey = b.y - a.y, px = x - a.x, py = y - a.y;
    double t = (px * ex + py * ey) / (ex * ex + ey * ey);
    t = fmin(fmax(t, 0), 1);
    return hypot(px - t * ex, py - t * ey);
}

/* The nearest edge says how far; an odd number of edges crossed by the ray to the right says inside. */
static double polygon_distance(Polygon p, double x, double y)
{
    double least = INFINITY;
    bool inside = false;
    for (size_t i = 0, j = p.n - 1; i < p.n; j = i++) {
        Point a = p.points[i], b = p.points[j];
        least = fmin(least, segment_distance(a, b, x, y));
        if ((a.y > y) != (b.y > y) && x < a.x + (b.x - a.x) * (y - a.y) / (b.y - a.y))
            inside = !inside;
    }
    return inside ? -least : least;
}

/* The unlike world's circle is wider than high: a distance scaled by the narrower axis is near enough. */
static double circle_distance(bool other, double x, double y)
{
    return other ? (hypot(x / 1.06, y / 0.76) - 1) * 0.76 : hypot(x, y) - 0.96;
}

static double crescent_distance(bool other, double x, double y)
{
    double bite = other ? -0.52 : 0.52;
    return fmax(hypot(x, y) - 1, 0.82 - hypot(x - bite, y));
}

double shape_distance(int shape, bool other, double x, double y)
{
    if (shape == CIRCLE)
        return circle_distance(other, x, y);
    if (shape == CRESCENT)
        return crescent_distance(other, x, y);
    if (shape == CROSS && other) /* lying: a saltire */
        return polygon_distance(polygon_get(shape, other), (x - y) * M_SQRT1_2, (x + y) * M_SQRT1_2);
    return polygon_distance(polygon_get(shape, other), x, y);
}
