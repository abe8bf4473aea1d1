/* UTF-8 to code points and back; see utf8.h. */
#include "base/utf8.h"

/* How many bytes a sequence with this first byte has, and the range of its second byte (Unicode, table 3-7); 0 for none. */
static int lead_size(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = lead == 0xE0 ? 0xA0 : lead == 0xF0 ? 0x90 : 0x80;
    *high = lead == 0xED ? 0x9F : lead == 0xF4 ? 0x8F : 0xBF;
    return lead < 0xC2 ? 0 : lead < 0xE0 ? 2 : lead < 0xF0 ? 3 : lead < 0xF5 ? 4 : 0;
}

uint32_t utf8_decode(const char *data, const char *end, int *size, bool *valid)
{
    uint8_t lead = (uint8_t)data[0], low, high;
    *valid = true;
    *size = 1;
    if (lead < 128)
        return lead;
    int want = lead_size(lead, &low, &high);
    uint32_t code = lead & (0x7Fu >> want);
    for (; *size < want && data + *size < end; ++*size) {
        uint8_t next = (uint8_t)data[*size];
        if (next < low || next > high)
            break;
        code = code << 6 | (next & 0x3F);
        low = 0x80, high = 0xBF;
    }
    *valid = want && *size == want;
    return *valid ? code : 0xFFFD;
}

int utf8_encode(char out[4], uint32_t code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xC0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3F));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xE0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3F));
        out[2] = (char)(0x80 | (code & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3F));
    out[2] = (char)(0x80 | (code >> 6 & 0x3F));
    out[3] = (char)(0x80 | (code & 0x3F));
    return 4;
}

size_t utf8_invalid_at(const void *data, size_t n)
{
    const char *begin = data, *p = begin, *end = n > 0 ? begin + n : begin;
    bool valid = true;
    for (int size; p < end; p += size) {
        utf8_decode(p, end, &size, &valid);
        if (!valid)
            break;
    }
    return (size_t)(p - begin);
}

bool utf8_valid(const void *data, size_t n)
{
    return utf8_invalid_at(data, n) == n;
}
