/*
 * CLIP under the names of open_clip (Ilharco et al. 2021; OpenAI's own before it): visual.transformer.resblocks.* and so on, q, k
 * and v in one matrix, projections transposed. A text tower of its own (custom_text) has text. before its names.
 */
#ifndef MODELS_FAMILIES_CLIP_OPEN_CLIP_H
#define MODELS_FAMILIES_CLIP_OPEN_CLIP_H

#include "models/families/clip/clip.h"

/* Whether a checkpoint has these names. */
bool open_clip_named(const Checkpoint *c);

/* Name of the text tower's table of positions. */
const char *open_clip_positions(const Checkpoint *c);

/* Binds all of a model whose configuration, checkpoint and binder are set. Faults stick in the binder. */
void open_clip_bind(Clip *c);

#endif
