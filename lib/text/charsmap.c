/* SentencePiece's table of normalisation; see charsmap.h. */
#include "text/charsmap.h"

#include <endian.h>
#include <string.h>

#include "base/utf8.h"

bool charsmap_init(Charsmap *m, Arena *arena, Slice bytes, Error *err)
{
    uint32_t size;
    *m = (Charsmap){0};
    if (bytes.size < sizeof size)
        return error_set(err, "precompiled_charsmap has %zu bytes, expected at least 4", bytes.size);
    memcpy(&size, bytes.data, sizeof size);
    size = le32toh(size);
    if (size % sizeof size != 0 || size == 0 || size > bytes.size - sizeof size)
        return error_set(err, "precompiled_charsmap has a trie of %u bytes, expected a multiple of 4 up to %zu", size,
                         bytes.size - sizeof size);
    const Slice texts = {bytes.data + sizeof size + size, bytes.size - sizeof size - size};
    if (!utf8_valid(texts.data, texts.size) || texts.size == 0 || texts.data[texts.size - 1] != '\0')
        return error_set(err, "precompiled_charsmap: its texts are not UTF-8 that ends with a zero byte");
    m->n_units = size / sizeof size;
    m->units = arena_alloc(arena, size);
    memcpy(m->units, bytes.data + sizeof size, size);
    for (size_t i = 0; i < m->n_units; i++)
        m->units[i] = le32toh(m->units[i]);
    m->texts = (Slice){arena_strndup(arena, texts.data, texts.size), texts.size};
    return true;
}

/* The fields of a unit: where its children are, whether a value is among them, the byte that leads to it, the value. */
static size_t unit_offset(uint32_t unit)
{
    return (size_t)(unit >> 10) << ((unit & (1u << 9)) >> 6);
}

static bool unit_has_value(uint32_t unit)
{
    return unit >> 8 & 1;
}

static uint32_t unit_label(uint32_t unit)
{
    return unit & (1u << 31 | 0xFF);
}

static uint32_t unit_value(uint32_t unit)
{
    return unit & ~(1u << 31);
}

/* The text at this place; a place in the middle of a character, or outside, is damage: nothing is found there. */
static Slice text_at(const Charsmap *m, size_t at)
{
    if (at >= m->texts.size || ((unsigned char)m->texts.data[at] & 0xC0) == 0x80)
        return (Slice){0};
    return slice_of(m->texts.data + at);
}

Slice charsmap_find(const Charsmap *m, Slice text)
{
    size_t at = m->n_units ? unit_offset(m->units[0]) : 0;
    for (size_t i = 0; i < text.size && text.data[i]; i++) {
        const uint32_t byte = (uint8_t)text.data[i];
        at ^= byte;
        if (at >= m->n_units || unit_label(m->units[at]) != byte)
            break;
        const uint32_t unit = m->units[at];
        at ^= unit_offset(unit);
        if (unit_has_value(unit) && at < m->n_units)
            return text_at(m, unit_value(m->units[at]));
    }
    return (Slice){0};
}
