/* Base64 (RFC 4648, with padding). */
#ifndef STREAM_BASE64_H
#define STREAM_BASE64_H

#include <stddef.h>

/* A new zero-terminated string; the caller frees it. */
char *base64_encode(const void *data, size_t size);

/* New bytes; NULL when text is no base64. The caller frees them. */
void *base64_decode(const char *text, size_t n, size_t *size);

#endif
