/* EXIF orientation; see exif.h. Never trusts a length or an offset of the file.
 * https://www.cipa.jp/std/documents/e/DC-008-2012_E.pdf */
#include "media/exif.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, TYPE_LONG = 4 };

typedef struct Tiff {
    const uint8_t *data;
    size_t size;
    bool big;
} Tiff;

static uint32_t get(const Tiff *t, size_t at, int bytes)
{
    uint32_t v = 0;
    if (at > t->size || t->size - at < (size_t)bytes)
        return 0;
    for (int i = 0; i < bytes; i++)
        v |= (uint32_t)t->data[at + (size_t)i] << 8 * (t->big ? bytes - 1 - i : i);
    return v;
}

int exif_orientation(const void *data, size_t size)
{
    const uint8_t *bytes = data;
    if (size >= 6 && memcmp(bytes, "Exif\0\0", 6) == 0) {
        bytes += 6;
        size -= 6;
    }
    if (size < 8 || (memcmp(bytes, "II*\0", 4) != 0 && memcmp(bytes, "MM\0*", 4) != 0))
        return 1;
    Tiff t = {bytes, size, bytes[0] == 'M'};
    size_t at = get(&t, 4, 4);
    uint32_t entries = get(&t, at, 2);
    for (uint32_t i = 0; i < entries; i++) {
        size_t entry = at + 2 + (size_t)i * 12;
        if (entry + 12 > size)
            break;
        if (get(&t, entry, 2) != TAG_ORIENTATION)
            continue;
        uint32_t type = get(&t, entry + 2, 2);
        uint32_t v = type == TYPE_LONG ? get(&t, entry + 8, 4) : type == TYPE_SHORT ? get(&t, entry + 8, 2) : 1;
        return v >= 1 && v <= 8 ? (int)v : 1;
    }
    return 1;
}

int jpeg_orientation(const void *data, size_t size)
{
    const uint8_t *d = data;
    size_t at = 2;
    while (at + 4 <= size && d[at] == 0xff) {
        uint8_t marker = d[at + 1];
        if (marker == 0xff) { /* fill byte */
            at++;
            continue;
        }
        size_t length = (size_t)d[at + 2] << 8 | d[at + 3];
        if (marker == 0xda || marker == 0xd9 || length < 2 || at + 2 + length > size)
            break;
        if (marker == 0xe1 && length >= 8 && memcmp(d + at + 4, "Exif\0\0", 6) == 0)
            return exif_orientation(d + at + 4, length - 2);
        at += 2 + length;
    }
    return 1;
}
