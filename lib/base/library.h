/* A foreign library, as its door in lib/ knows it: for whoever asks whether what is loaded is what was built with. */
#ifndef BASE_LIBRARY_H
#define BASE_LIBRARY_H

#include <stdbool.h>

typedef struct Library {
    const char *name;
    char built[64], found[64]; /* versions: of the headers, of what is loaded */
    bool fits;                 /* the latter can stand for the former */
} Library;

#endif
