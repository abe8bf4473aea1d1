/* Two msgpack values side by side: what vlrm-cmp calls the same. */
#ifndef TOOLS_COMPARE_H
#define TOOLS_COMPARE_H

#include "base/options/options.h"
#include "stream/stream.h"

/* A field and how far its numbers may lie apart. */
typedef struct Tolerance {
    char *field; /* owned; "caption.logp" also covers what lies below it */
    double value;
} Tolerance;

typedef struct Comparison {
    Tolerance *tolerances; /* owned */
    size_t n_tolerances;
    double fallback;                  /* where no field says otherwise */
    const StringList *ignore;         /* borrowed: fields not looked at */
    int64_t differences, shown, show; /* found, printed, and how many to print */
} Comparison;

/* Reads "FIELD=T" or "T" (the fallback); dies of wrong usage on anything else. */
void comparison_init(Comparison *c, const StringList *tolerances, const StringList *ignore, int64_t show);
void comparison_release(Comparison *c);

/*
 * Whether a and b, values of the field `path` ("" for a whole record) of `where`, are the same: numbers a and b where
 * |a - b| <= T * max(1, |a|, |b|), maps with the same keys in any order, arrays item by item, all else byte by byte. NaN is the
 * same as NaN. Prints each difference with both values.
 */
bool values_same(Comparison *c, const char *where, const char *path, Slice a, Slice b);

/* Counts a difference and prints it. */
void difference(Comparison *c, const char *where, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
