/* PNG through libpng: gamma and profiles ignored, 16 bits cut to 8, transparency kept for image.c to lay on white. */
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include "media/exif.h"
#include "media/image_codecs.h"

/* One read: everything that must survive a longjmp out of libpng. */
typedef struct PngRead {
    png_structp png;
    png_infop info, end;
    const uint8_t *data; /* what is left of the file */
    size_t size;
    uint8_t *rgba; /* owned: a row, or the whole of an interlaced picture */
    const ImageLimits *limits;
    Error *err;
    int orientation;
    bool blended;
} PngRead;

static void on_error(png_structp png, png_const_charp text)
{
    PngRead *r = png_get_error_ptr(png);
    error_set(r->err, "PNG: %s", text);
    png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text)
{
    (void)png;
    (void)text;
}

static void on_read(png_structp png, png_bytep out, size_t n)
{
    PngRead *r = png_get_io_ptr(png);
    if (n > r->size)
        png_error(png, "the file ends too early");
    memcpy(out, r->data, n);
    r->data += n;
    r->size -= n;
}

static bool png_begin(PngRead *r, const uint8_t *data, size_t size, const ImageLimits *limits, Error *err)
{
    *r = (PngRead){.data = data, .size = size, .limits = limits, .err = err, .orientation = 1};
    r->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, r, on_error, on_warning);
    r->info = r->png ? png_create_info_struct(r->png) : NULL;
    r->end = r->png ? png_create_info_struct(r->png) : NULL;
    if (!r->end)
        return error_set(err, "PNG: cannot start libpng");
    png_set_read_fn(r->png, r, on_read);
    png_set_user_limits(r->png, IMAGE_MAX_SIDE, IMAGE_MAX_SIDE);
    return true;
}

static void png_finish(PngRead *r)
{
    png_destroy_read_struct(&r->png, &r->info, &r->end);
    free(r->rgba);
}

static void note_orientation(PngRead *r, png_infop info)
{
    png_bytep exif;
    png_uint_32 n;
    if (png_get_eXIf_1(r->png, info, &n, &exif))
        r->orientation = exif_orientation(exif, n);
}

static bool png_read_header(PngRead *r)
{
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    png_read_info(r->png, r->info);
    note_orientation(r, r->info);
    return image_size_sane(png_get_image_width(r->png, r->info), png_get_image_height(r->png, r->info), r->limits, r->err);
}

static bool has_alpha(const PngRead *r)
{
    return (png_get_color_type(r->png, r->info) & PNG_COLOR_MASK_ALPHA) || png_get_valid(r->png, r->info, PNG_INFO_tRNS);
}

static void read_row(PngRead *r, uint8_t *rgba)
{
    const char *late = image_time_is_up(r->limits);
    if (late)
        png_error(r->png, late);
    png_read_row(r->png, rgba, NULL);
}

/* Row by row onto white; an interlaced picture comes in passes over all of it. */
static void read_rows(PngRead *r, Image *im)
{
    size_t width = (size_t)im->width, height = (size_t)im->height;
    int passes = png_set_interlace_handling(r->png);
    png_read_update_info(r->png, r->info);
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++) {
            uint8_t *rgba = r->rgba + (passes > 1 ? y * width * 4 : 0);
            read_row(r, rgba);
            if (pass == passes - 1)
                r->blended |= image_lay_on_white(im->rgb + y * width * 3, rgba, width);
        }
}

/* Any PNG as 8-bit RGBA, laid on white. */
static bool png_read_pixels(PngRead *r, Image *im)
{
    size_t width = png_get_image_width(r->png, r->info), height = png_get_image_height(r->png, r->info);
    bool interlaced = png_get_interlace_type(r->png, r->info) != PNG_INTERLACE_NONE;
    image_init(im, (int)width, (int)height);
    r->rgba = xmalloc(width * 4 * (interlaced ? height : 1));
    if (setjmp(png_jmpbuf(r->png)))
        return false;
    png_set_expand(r->png);
    png_set_strip_16(r->png);
    png_set_gray_to_rgb(r->png);
    png_set_add_alpha(r->png, 255, PNG_FILLER_AFTER);
    read_rows(r, im);
    png_read_end(r->png, r->end);
    note_orientation(r, r->end);
    return true;
}

bool png_probe(ImageInfo *info, const uint8_t *data, size_t size, Error *err)
{
    PngRead r;
    bool ok = png_begin(&r, data, size, &image_any_size, err) && png_read_header(&r);
    if (ok) {
        info->width = (int)png_get_image_width(r.png, r.info);
        info->height = (int)png_get_image_height(r.png, r.info);
        info->orientation = r.orientation;
        info->alpha = has_alpha(&r);
    }
    png_finish(&r);
    return ok;
}

bool png_decode(Image *im, int *orientation, bool *blended, const uint8_t *data, size_t size, const ImageLimits *limits,
                Error *err)
{
    PngRead r;
    bool ok = png_begin(&r, data, size, limits, err) && png_read_header(&r) && png_read_pixels(&r, im);
    *blended = r.blended;
    *orientation = r.orientation;
    png_finish(&r);
    return ok;
}

static void on_write(png_structp png, png_bytep data, size_t n)
{
    buffer_add(png_get_io_ptr(png), data, n);
}

static void on_flush(png_structp png)
{
    (void)png;
}

static void on_write_error(png_structp png, png_const_charp text)
{
    error_set(png_get_error_ptr(png), "PNG: %s", text);
    png_longjmp(png, 1);
}

static bool png_write_pixels(png_structp png, png_infop info, const Image *im)
{
    if (setjmp(png_jmpbuf(png)))
        return false;
    png_set_IHDR(png, info, (png_uint_32)im->width, (png_uint_32)im->height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_set_compression_level(png, 3);
    png_write_info(png, info);
    for (int y = 0; y < im->height; y++)
        png_write_row(png, im->rgb + (size_t)y * (size_t)im->width * 3);
    png_write_end(png, info);
    return true;
}

bool image_encode_png(Buffer *out, const Image *im, Error *err)
{
    out->size = 0;
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, err, on_write_error, on_warning);
    png_infop info = png ? png_create_info_struct(png) : NULL;
    bool ok = info != NULL;
    if (ok) {
        png_set_write_fn(png, out, on_write, on_flush);
        ok = png_write_pixels(png, info, im);
    } else {
        error_set(err, "PNG: cannot start libpng");
    }
    png_destroy_write_struct(&png, &info);
    return ok;
}
