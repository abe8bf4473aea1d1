/* UTF-8: well-formed byte sequences of RFC 3629 (no surrogates, no overlong forms), code points and back. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Whether the n bytes are well-formed UTF-8. */
bool utf8_valid(const void *data, size_t n);

/* Where the first ill-formed sequence of the n bytes begins; n when there is none. */
size_t utf8_invalid_at(const void *data, size_t n);

/*
 * The code point at data[0], data < end, and its size in bytes; an invalid sequence gives U+FFFD with the size of its maximal
 * subpart (Unicode 3.9, as Python and Rust replace), *valid is then false.
 */
uint32_t utf8_decode(const char *data, const char *end, int *size, bool *valid);

/* Writes 1 to 4 bytes, returns how many. code is a scalar value. */
int utf8_encode(char out[4], uint32_t code);

#endif
