/* A record's pixels and features; see frame.h. */
#include "stage/frame.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

Preprocess frame_preprocess(const VisionConfig *config, bool crop)
{
    Preprocess p = {.size = (int)config->image, .crop = crop};
    memcpy(p.mean, PREPROCESS_MEAN, sizeof p.mean);
    memcpy(p.std, PREPROCESS_STD, sizeof p.std);
    return p;
}

Preprocess image_preprocess(const ImageInput *in)
{
    static const ResizeFilter filters[] = {
        [IMAGE_BICUBIC] = RESIZE_BICUBIC, [IMAGE_BILINEAR] = RESIZE_BILINEAR, [IMAGE_LANCZOS] = RESIZE_LANCZOS};
    Preprocess p = {.size = (int)in->side,
                    .crop = in->crop,
                    .low = in->low,
                    .filter = filters[in->filter],
                    .longest = (int)in->longest,
                    .across = (int)in->across};
    const bool said = in->std[0] > 0;
    memcpy(p.mean, said ? in->mean : PREPROCESS_MEAN, sizeof p.mean);
    memcpy(p.std, said ? in->std : PREPROCESS_STD, sizeof p.std);
    return p;
}

Preprocess captioner_preprocess(const Captioner *c, bool crop)
{
    Preprocess p = image_preprocess(&c->images);
    p.crop |= crop;
    return p;
}

static bool image_from_path(Image *out, Slice path, Error *err)
{
    char *name = xstrndup(path.data, path.size);
    size_t size;
    char *data = file_read_regular(name, IMAGE_MAX_BYTES, &size, err);
    bool ok = data && (image_decode(out, NULL, data, size, err) || error_prefix(err, "%s", name));
    free(data);
    free(name);
    return ok;
}

bool frame_image(Image *out, const Record *r, Error *err)
{
    Slice bytes, text;
    Field image = record_bin(r, "frame.image", &bytes);
    if (image == FIELD_WRONG)
        return error_set(err, "frame.image is not binary");
    if (image == FIELD_MISSING) {
        if (record_string(r, "frame.path", &text) != FIELD_OK)
            return error_set(err, "no image: expected frame.image (binary) or frame.path (string)");
        return image_from_path(out, text, err);
    }
    int64_t width = 0, height = 0;
    if (record_string(r, "frame.encoding", &text) != FIELD_OK)
        return error_set(err, "frame.encoding is missing");
    ImageFormat format = image_format_find(text.data, text.size);
    if (format == IMAGE_RGB &&
        (record_int(r, "frame.width", &width) != FIELD_OK || record_int(r, "frame.height", &height) != FIELD_OK))
        return error_set(err, "frame.width and frame.height are missing");
    if (width < 0 || width > IMAGE_MAX_SIDE || height < 0 || height > IMAGE_MAX_SIDE)
        return error_set(err, "frame is %lld x %lld pixels, expected 1 to %d", (long long)width, (long long)height,
                         IMAGE_MAX_SIDE);
    return image_decode_as(out, format, (int)width, (int)height, bytes.data, bytes.size, err);
}

bool frame_by_path(const Record *r)
{
    Slice path;
    return !record_raw(r, "frame.image").data && record_string(r, "frame.path", &path) == FIELD_OK;
}

/* The group as it is, encoding and image added. */
static void embed(Packer *p, Slice group, ImageFormat format, const void *image, size_t size)
{
    const char *key;
    json_t *frame = slice_json(group), *value;
    json_object_set_new(frame, "encoding", json_string(image_format_name(format)));
    pack_map_begin(p);
    json_object_foreach (frame, key, value)
        pack_field_json(p, key, value);
    pack_field_bin(p, "image", image, size);
    pack_map_end(p);
    json_decref(frame);
}

bool frame_embed(Packer *p, const Record *r, Error *err)
{
    Slice path = {NULL, 0};
    size_t size = 0;
    if (record_string(r, "frame.path", &path) != FIELD_OK)
        return error_set(err, "frame.path is missing");
    char *name = xstrndup(path.data, path.size), *image = file_read_regular(name, IMAGE_MAX_BYTES, &size, err);
    ImageFormat format = image ? image_format(image, size) : IMAGE_UNKNOWN;
    bool ok = image && (format != IMAGE_UNKNOWN || error_set(err, "%s: is no JPEG, PNG or WebP", name));
    if (ok)
        embed(p, record_raw(r, "frame"), format, image, size);
    free(image);
    free(name);
    return ok;
}

bool frame_pixels(float *out, const Record *r, const Preprocess *p, Error *err)
{
    Image im = {0};
    if (!frame_image(&im, r, err))
        return false;
    preprocess(out, &im, p);
    image_release(&im);
    return true;
}

bool frame_tiles(float *out, TileGrid *grid, int *longer, const Record *r, const Preprocess *p, Error *err)
{
    Image im = {0};
    *grid = (TileGrid){0, 0};
    if (!frame_image(&im, r, err))
        return false;
    *longer = im.width > im.height ? im.width : im.height;
    if (p->across > 1)
        preprocess_cut(out, &im, p, &grid->rows, &grid->cols);
    else
        preprocess(out, &im, p);
    image_release(&im);
    return true;
}

bool frame_tiles_as(float *out, TileGrid grid, const Record *r, const Preprocess *p, Error *err)
{
    if (grid.rows == 0)
        return frame_pixels(out, r, p, err);
    TileGrid found;
    int longer;
    const size_t one = 3 * (size_t)p->size * (size_t)p->size;
    float *all = xmalloc(tile_grid_images((TileGrid){(uint32_t)p->across, (uint32_t)p->across}) * one * sizeof *all);
    bool ok = frame_tiles(all, &found, &longer, r, p, err);
    if (ok && !tile_grid_same(found, grid))
        ok = error_set_status(err, STATUS_MISMATCH, "its picture is cut into [%u, %u] tiles, caption.tiles is [%u, %u]",
                              found.rows, found.cols, grid.rows, grid.cols);
    if (ok)
        memcpy(out, all, tile_grid_images(grid) * one * sizeof *out);
    free(all);
    return ok;
}

bool frame_grid(TileGrid *out, const Record *r, Error *err)
{
    int64_t *n;
    size_t count;
    Arena arena = {0};
    *out = (TileGrid){0, 0};
    const Field found = record_ints(r, "caption.tiles", &arena, &n, &count);
    const bool ok =
        found == FIELD_MISSING || (found == FIELD_OK && count == 2 && n[0] > 0 && n[1] > 0 && n[0] < 1000 && n[1] < 1000);
    if (ok && found == FIELD_OK)
        *out = (TileGrid){(uint32_t)n[0], (uint32_t)n[1]};
    arena_release(&arena);
    return ok || error_set(err, "caption.tiles is no [rows, columns]");
}

static bool dtype_find(Slice name, DType *out)
{
    static const char *const names[] = {[DTYPE_F32] = "f32", [DTYPE_F16] = "f16", [DTYPE_BF16] = "bf16"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (slice_equal(name, names[i])) {
            *out = (DType)i;
            return true;
        }
    return false;
}

Field features_read(real *out, const Record *r, const char *encoder, size_t rows, size_t cols)
{
    Slice name, type, data;
    DType dtype;
    if (record_string(r, "features.encoder", &name) != FIELD_OK)
        return FIELD_MISSING;
    if (!slice_equal(name, encoder) || record_string(r, "features.dtype", &type) != FIELD_OK || !dtype_find(type, &dtype) ||
        record_bin(r, "features.data", &data) != FIELD_OK || data.size != rows * cols * dtype_size(dtype))
        return FIELD_WRONG;
    dtype_convert_bytes(DTYPE_REAL, out, dtype, data.data, rows * cols);
    return FIELD_OK;
}

void features_pack(Packer *p, const char *encoder, DType dtype, const real *x, size_t rows, size_t cols)
{
    size_t bytes = rows * cols * dtype_size(dtype);
    void *data = xmalloc(bytes);
    dtype_convert(dtype, data, DTYPE_REAL, x, rows * cols);
    char type[8];
    size_t n = 0;
    for (const char *c = dtype_name(dtype); *c; c++)
        type[n++] = (char)tolower((unsigned char)*c);
    type[n] = '\0';
    const int64_t shape[] = {(int64_t)rows, (int64_t)cols};
    pack_map_begin(p);
    pack_field_text(p, "encoder", encoder);
    pack_field_ints(p, "shape", shape, 2);
    pack_field_text(p, "dtype", type);
    pack_field_bin(p, "data", data, bytes);
    pack_map_end(p);
    free(data);
}

json_t *header_param(const json_t *header, const char *stage, const char *option)
{
    for (; json_is_object(header); header = json_object_get(header, "upstream")) {
        const char *name = json_string_value(json_object_get(header, "stage"));
        if (name && strcmp(name, stage) == 0)
            return json_object_get(json_object_get(header, "params"), option);
    }
    return NULL;
}
