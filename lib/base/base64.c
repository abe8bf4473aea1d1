/* Base64; see base64.h. */
#include "base/base64.h"

#include <stdlib.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

char *base64_encode(const void *data, size_t n)
{
    const unsigned char *p = data;
    char *text = xmalloc((n + 2) / 3 * 4 + 1), *out = text;
    for (size_t i = 0; i < n; i += 3) {
        size_t have = n - i;
        uint32_t v = (uint32_t)p[i] << 16 | (have > 1 ? (uint32_t)p[i + 1] << 8 : 0) | (have > 2 ? p[i + 2] : 0u);
        *out++ = digits[v >> 18];
        *out++ = digits[v >> 12 & 63];
        *out++ = have > 1 ? digits[v >> 6 & 63] : '=';
        *out++ = have > 2 ? digits[v & 63] : '=';
    }
    *out = '\0';
    return text;
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Four digits to *have bytes of v; false when they are none. Bits that padding cuts off must be zero: one text for each value. */
static bool group_decode(const char *text, bool last, uint32_t *v, size_t *have)
{
    *have = !last || text[3] != '=' ? 3 : text[2] != '=' ? 2 : 1;
    *v = 0;
    for (size_t i = 0; i < 4; i++) {
        int d = i <= *have ? digit_value(text[i]) : 0;
        if (d < 0)
            return false;
        *v = *v << 6 | (uint32_t)d;
    }
    return *have == 3 || (*v & (*have == 2 ? 0xffu : 0xffffu)) == 0;
}

unsigned char *base64_decode(const char *text, size_t n, size_t *size)
{
    if (n % 4 != 0)
        return NULL;
    unsigned char *data = xmalloc(n / 4 * 3 + 1);
    *size = 0;
    for (size_t i = 0; i < n; i += 4) {
        uint32_t v;
        size_t have;
        if (!group_decode(text + i, i + 4 == n, &v, &have)) {
            free(data);
            return NULL;
        }
        for (size_t k = 0; k < have; k++)
            data[(*size)++] = (unsigned char)(v >> (16 - 8 * k));
    }
    return data;
}
