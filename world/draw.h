/*
 * The rasteriser: one frame of a scene at any size, anti-aliased by distance, so that every size shows the same picture.
 *
 * The unlike world (scene.other) is drawn with shades nearer to grey, a light that falls from one corner, other outlines
 * (world/shapes.h), and textures of another scale and direction.
 */
#ifndef WORLD_DRAW_H
#define WORLD_DRAW_H

#include <stdint.h>

#include "world/scene.h"

/* Draws the scene at `moment` of its shot (0 begins, 1 ends) into rgb [side, side, 3]. */
void scene_paint(uint8_t *rgb, const Scene *s, double moment, int side);

/* Where the centre of an object is in the frame at that moment, in units of the frame's side. */
void scene_place(const Scene *s, const Object *o, double moment, double *x, double *y);

#endif
