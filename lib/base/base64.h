/* Base64 with padding (RFC 4648, section 4): how JSON carries bytes. */
#ifndef BASE_BASE64_H
#define BASE_BASE64_H

#include "base/base.h"

/* A new zero-terminated string; the caller frees it. */
char *base64_encode(const void *data, size_t n);

/* The bytes as a new block (the caller frees it), their number in *size; NULL when the text is not base64. */
unsigned char *base64_decode(const char *text, size_t n, size_t *size);

#endif
