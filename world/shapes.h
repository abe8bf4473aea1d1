/* Outlines of the world's shapes as signed distances: what draw.c fills, strokes and stripes. */
#ifndef WORLD_SHAPES_H
#define WORLD_SHAPES_H

#include <stdbool.h>

/*
 * Distance from (x, y) to the outline of a Figure of radius 1 about the origin, y downwards: negative inside. `other` gives the
 * unlike world's outline for the same noun (a star of six points, an arrow that points left, ..).
 */
double shape_distance(int shape, bool other, double x, double y);

#endif
