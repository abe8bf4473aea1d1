/* The list of bad phrases, to hold findings against: one a line, `#` begins a comment line. */
#ifndef RADAR_KNOWN_H
#define RADAR_KNOWN_H

#include "base/base.h"

typedef struct Known {
    char *text;   /* owned: the file in lower case, lines ended by zeros */
    char **items; /* owned; into text */
    size_t count, capacity;
} Known;

/* Reads a list; false with err set where it cannot be read. */
MUST_USE bool known_read(Known *k, const char *path, Error *err);
void known_release(Known *k);

/* Whether a phrase of the list stands in this one: then the list punishes it already. */
bool known_find(const Known *k, const char *phrase);

#endif
