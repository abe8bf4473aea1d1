/* The tables of unicode_data.c, for unicode.c alone. All are sorted by their first member. */
#ifndef TEXT_UNICODE_UNICODE_DATA_H
#define TEXT_UNICODE_UNICODE_DATA_H

#include <stddef.h>
#include <stdint.h>

/* value holds from start up to the next row's start. */
typedef struct UnicodeRange {
    uint32_t start;
    uint8_t value;
} UnicodeRange;

/* code = first, second (0 for a decomposition into one). */
typedef struct UnicodeDecomposition {
    uint32_t code, first, second;
} UnicodeDecomposition;

/* first, first + stride .. last go to themselves + delta. */
typedef struct UnicodeMapping {
    uint32_t first, last;
    int32_t stride, delta;
} UnicodeMapping;

/* Case folding into two or three code points; unused ones are 0. */
typedef struct UnicodeExpansion {
    uint32_t code, to[3];
} UnicodeExpansion;

extern const UnicodeRange unicode_ranges[], unicode_combining[];
extern const UnicodeDecomposition unicode_decompositions[];
extern const uint16_t unicode_compositions[]; /* indices into unicode_decompositions, sorted by (first, second) */
extern const UnicodeMapping unicode_lower[], unicode_casefold[], unicode_equal[];
extern const UnicodeExpansion unicode_expansions[];
extern const size_t unicode_n_ranges, unicode_n_combining, unicode_n_decompositions, unicode_n_compositions;
extern const size_t unicode_n_lower, unicode_n_casefold, unicode_n_equal, unicode_n_expansions;

#endif
