/*
 * Images in memory: 8-bit RGB, decoded from and encoded to JPEG, PNG and WebP.
 *
 * Pixels are what Pillow's Image.open(..).convert("RGB") gives, with two differences that viewers make as well: EXIF orientation
 * is applied, and transparency is laid on white. Embedded colour profiles are ignored, as Pillow ignores them.
 */
#ifndef MEDIA_IMAGE_H
#define MEDIA_IMAGE_H

#include "base/base.h"

typedef struct Image {
    int width, height;
    uint8_t *rgb; /* owned: height rows of width * 3 bytes, without padding */
} Image;

typedef enum ImageFormat { IMAGE_UNKNOWN, IMAGE_JPEG, IMAGE_PNG, IMAGE_WEBP, IMAGE_RGB } ImageFormat;

/* A file under construction. `= {0}` is empty. */
typedef struct Buffer {
    uint8_t *data; /* owned */
    size_t size, capacity;
} Buffer;

/* Frees what it holds; it is empty again. */
void buffer_release(Buffer *b);
void buffer_set(Buffer *b, const void *data, size_t size);
void buffer_add(Buffer *b, const void *data, size_t size);

/* The longest side that is decoded, and the most pixels: what claims more is refused as corrupt before memory is taken. The most
 * bytes of a file that a record names. */
enum { IMAGE_MAX_SIDE = 65500, IMAGE_MAX_PIXELS = 1 << 28, IMAGE_MAX_BYTES = 1 << 30 };

/* An image of that size, pixels not set. 1 <= width, height. */
void image_init(Image *im, int width, int height);
void image_release(Image *im);

/* What a file is, told by its first bytes (12 are enough). */
ImageFormat image_format(const void *data, size_t size);

/* "jpeg", "png", "webp", "rgb": the value of frame.encoding. And back; IMAGE_UNKNOWN for any other text of n bytes. */
const char *image_format_name(ImageFormat format);
ImageFormat image_format_find(const char *name, size_t n);

/* What can be said of a file before its pixels are decoded. */
typedef struct ImageInfo {
    ImageFormat format;
    int width, height; /* as stored */
    int orientation;   /* EXIF: 1 (upright) to 8; 5 to 8 exchange width and height */
    bool alpha;        /* it may hold pixels that are not opaque */
} ImageInfo;

/* What a file of bytes says of its picture, before it is decoded. False with err set where it is none that we read. */
MUST_USE bool image_info(ImageInfo *info, const void *data, size_t size, Error *err);

/*
 * Decodes a whole file. Damage that Pillow or libjpeg pass over with a warning (a cut file, a bad Huffman code) is a failure: a
 * picture that is half grey is not a picture. *changed (may be NULL) says whether orientation or transparency altered pixels, so
 * that the file's own bytes no longer show the same image. On failure im is empty.
 */
MUST_USE bool image_decode(Image *im, bool *changed, const void *data, size_t size, Error *err);

/* How far a decoder may go. */
typedef struct ImageLimits {
    int64_t pixels; /* the most it may have */
    double until;   /* on seconds_now()'s clock: give up then; 0 for never */
} ImageLimits;

/* As image_decode, which stays within IMAGE_MAX_PIXELS. The time is looked at in every row of JPEG and PNG, and as the bytes of a
 * WebP without animation are fed. */
MUST_USE bool image_decode_within(Image *im, bool *changed, const void *data, size_t size, const ImageLimits *limits, Error *err);

/* As image_decode for a record's frame: raw RGB of the given size when encoding is IMAGE_RGB, else a file. */
MUST_USE bool image_decode_as(Image *im, ImageFormat encoding, int width, int height, const void *data, size_t size, Error *err);

/* Turns and mirrors im as EXIF orientation 1..8 asks for. */
void image_orient(Image *im, int orientation);

/* JPEG with 4:2:0 chroma; quality 1..100. PNG. Replace what out held. */
MUST_USE bool image_encode_jpeg(Buffer *out, const Image *im, int quality, Error *err);
MUST_USE bool image_encode_png(Buffer *out, const Image *im, Error *err);

/*
 * Turns a JPEG file upright without decoding it, so without loss; markers (EXIF among them) are dropped. False (no error) when
 * that cannot be done to the last pixel because a side is no multiple of the block size.
 */
MUST_USE bool jpeg_orient(Buffer *out, const void *data, size_t size, int orientation);

#endif
