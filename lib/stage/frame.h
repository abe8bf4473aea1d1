/*
 * What a stage needs of a record's frame: the pixels as a model wants them, or features that an earlier stage has computed.
 *
 * lib/stage is the one room of the library that may see streams, media and models together; only stages may include it.
 */
#ifndef STAGE_FRAME_H
#define STAGE_FRAME_H

#include "media/preprocess.h"
#include "models/captioner.h"
#include "stream/stream.h"

/* How a scorer takes its images: squeezed to the square (the processors' way), or the centre (`crop`). */
Preprocess frame_preprocess(const VisionConfig *config, bool crop);
/* How a model takes its images, as its family says. */
Preprocess image_preprocess(const ImageInput *in);

/* The same of a captioner; crop: the centre, though it would be squeezed. */
Preprocess captioner_preprocess(const Captioner *c, bool crop);

/* The image of a record: frame.image in frame.encoding, or else the file named by frame.path. */
MUST_USE bool frame_image(Image *out, const Record *r, Error *err);

/* Whether a record has no image but names one: frame.path. */
bool frame_by_path(const Record *r);

/* Packs the `frame` group of such a record with the file's bytes as its image. p is empty where the file cannot be read, or is no
 * image file. */
MUST_USE bool frame_embed(Packer *p, const Record *r, Error *err);

/* out [3, S, S]: frame_image, preprocessed. */
MUST_USE bool frame_pixels(float *out, const Record *r, const Preprocess *p, Error *err);

/* The same of a picture that may be cut (p->across): out [tile_grid_images(*grid), 3, S, S]; *longer: of its edges, as stored. */
MUST_USE bool frame_tiles(float *out, TileGrid *grid, int *longer, const Record *r, const Preprocess *p, Error *err);

/* The same of a picture that has to be cut so: out [tile_grid_images(grid), 3, S, S]. STATUS_MISMATCH where it is not. */
MUST_USE bool frame_tiles_as(float *out, TileGrid grid, const Record *r, const Preprocess *p, Error *err);

/* caption.tiles, or 0 x 0 where a record has none. False with err set for what is no grid. */
MUST_USE bool frame_grid(TileGrid *out, const Record *r, Error *err);

/*
 * The record's `features` group (formats/features.md) if its encoder is `encoder` (16 hexadecimal digits) and its shape [rows,
 * cols]: FIELD_OK with `out` [rows * cols] filled; FIELD_MISSING when there is none; FIELD_WRONG when they are another encoder's
 * (out is untouched).
 */
Field features_read(real *out, const Record *r, const char *encoder, size_t rows, size_t cols);

/* Packs a `features` group of x [rows, cols], stored as dtype (F32, F16 or BF16). */
void features_pack(Packer *p, const char *encoder, DType dtype, const real *x, size_t rows, size_t cols);

/* The value of an option of stage `stage` in a header or the headers nested in it; NULL when that stage is not there. Borrowed.
 */
json_t *header_param(const json_t *header, const char *stage, const char *option);

#endif
