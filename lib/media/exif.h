/* The one field of EXIF that changes pixels: orientation. */
#ifndef MEDIA_EXIF_H
#define MEDIA_EXIF_H

#include <stddef.h>

/* 1..8 from an EXIF block: a TIFF header, perhaps after "Exif\0\0". 1 where it says nothing, or nothing sensible. */
int exif_orientation(const void *data, size_t size);

/* The same from a whole JPEG file: its first APP1 Exif segment. */
int jpeg_orientation(const void *data, size_t size);

#endif
